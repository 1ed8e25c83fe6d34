"""Connectors: from a picture's embedding to vision tokens the language model can read.

A connector is one file here: a module from ``(batch, vision_hidden_size)`` to ``(batch, n_tokens,
hidden_size)`` under a name in `CONNECTORS` of `hybrid.model.extensions`. Other packages add theirs by the
entry-point group ``hybrid.connectors``.
"""

import difflib
from importlib import import_module
from typing import Any

from hybrid.model.connectors.connector import Connector
from hybrid.model.extensions import CONNECTORS, installed

# How a fresh connector starts right in front of any language model: see `Connector` and `QuantumConnector`. A
# specification that lacks these options means what it meant before there were any.
_FRESH: dict[str, dict[str, Any]] = {
    "quantum": {"ansatz": "simplified_two_design", "normed": True, "start": "smooth"},
    "classical": {"normed": True, "start": "smooth"},
}

__all__ = ["CONNECTORS", "Connector", "build_connector", "fresh_connector"]


def fresh_connector(kind: str = "quantum", **options: Any) -> dict[str, Any]:
    """The specification of a connector that starts right in front of a language model it has not met.

    Args:
        kind: A name in `CONNECTORS`, or of another package's connector.
        **options: Its options; those given here win. A quantum connector's ``circuit`` may be a
            `qproj.Circuit`, or a network of Qiskit Machine Learning or its ``TorchConnector``; where it is
            given, the start is ``"wide"``, since only its author knows what its angles mean.

    Returns:
        What `build_connector` takes; it can be written as JSON.

    Raises:
        TypeError: If ``circuit`` is none of these.
        ValueError: If the network's circuit cannot be expressed, or its ``interpret`` sums outcomes up.
    """
    if options.get("circuit") is None:
        return {"type": kind} | _FRESH.get(kind, {}) | options
    from hybrid.model.connectors.own_circuit import circuit_text

    own = {"circuit": circuit_text(options.pop("circuit"))}
    return {"type": kind, "normed": True, "start": "wide"} | own | options


def build_connector(spec: dict[str, Any], vision_hidden_size: int, hidden_size: int) -> Connector:
    """Build a connector from its part of a configuration.

    Args:
        spec: ``{"type": name, **options}``.
        vision_hidden_size: Width of the embeddings it reads.
        hidden_size: Width of the tokens it writes.

    Returns:
        The connector with fresh weights.

    Raises:
        ValueError: If the name or an option is unknown, or an option's value is not allowed.
    """
    options = dict(spec)
    name = options.pop("type", None)
    if isinstance(name, str) and name in CONNECTORS:
        module, _, attribute = CONNECTORS[name].partition(":")
        kind = getattr(import_module(module), attribute)
    elif isinstance(name, str) and name in (others := installed("hybrid.connectors")):
        kind = others[name].load()
    else:
        known = [*CONNECTORS, *installed("hybrid.connectors")]
        near = difflib.get_close_matches(str(name), known, 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"connector type must be one of {', '.join(known)}, but was {name!r}.{hint}")
    try:
        connector: Connector = kind(vision_hidden_size, hidden_size, **options)
    except TypeError as error:  # an option this connector does not have
        raise ValueError(f"connector {name!r} cannot be built with {options}: {error}") from error
    return connector
