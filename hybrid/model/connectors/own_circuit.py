"""A circuit of one's own for the quantum connector, as the text that a configuration can hold."""

import math
from typing import Any

from qproj import Circuit, from_qnn
from qproj.circuits.text import dumps


def circuit_text(circuit: Any) -> str:
    """Write a circuit for a connector's specification.

    Args:
        circuit: A `qproj.Circuit`, a network of Qiskit Machine Learning, its ``TorchConnector``, or the text.

    Returns:
        The text.

    Raises:
        TypeError: If it is none of these.
        ValueError: If the network's circuit cannot be expressed, or its ``interpret`` sums outcomes up.
    """
    if isinstance(circuit, str):
        return circuit
    if isinstance(circuit, Circuit):
        return dumps(circuit)
    found = from_qnn(circuit).circuit
    n_outputs = math.prod(getattr(circuit, "neural_network", circuit).output_shape)
    if n_outputs != found.n_outputs:
        raise ValueError(
            f"circuit must be a network without an interpret of its own, but it makes {n_outputs} outputs of "
            f"{found.n_outputs} outcomes. Leave it out: the connector's last linear map learns the sums."
        )
    return dumps(found)
