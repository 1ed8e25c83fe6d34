"""The options that say which model, where and how it runs; for all commands that have one."""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from hybrid.cli.collector import without_collector
from hybrid.cli.messages import log
from hybrid.cli.quiet import quiet_transformers
from hybrid.loading.names import presets

if TYPE_CHECKING:
    from hybrid.model.modeling import HybridForConditionalGeneration
    from hybrid.model.processing import HybridProcessor

DTYPES = ("float32", "bfloat16", "float16")
_SLOW = 8  # qubits; default.mixed took 0.04 s a picture at 6, 0.9 s at 8, 11 s at 10


def backends() -> list[str]:
    """The names of the backends that are installed: the package's own and PennyLane's devices."""
    return ["jax", *sorted({entry.name for entry in entry_points(group="pennylane.plugins")})]


def _complete_backend(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [CompletionItem(name) for name in backends() if name.startswith(incomplete)]


def complete_model(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a preset's name, or else a folder's."""
    found = [CompletionItem(name) for name in presets() if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


model_option = click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_model,
    help="The model: a preset from 'hybrid models', a folder, or owner/name on the Hugging Face hub. "
    "[default: scenes-mini, the bundled model; hybrid caption takes photos once it is downloaded]",
)
revision_option = click.option(
    "--revision",
    metavar="COMMIT",
    help="Version of --model on the hub: a commit, a tag or a branch.",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="DEVICE",
    help="Where to run: cpu, cuda, cuda:1, or auto for a GPU if torch sees one.",
)
dtype_option = click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    help="Number format of the weights in memory. [default: as saved]",
)
backend_option = click.option(
    "--backend",
    metavar="NAME",
    shell_complete=_complete_backend,
    help="Which simulator or device runs the circuit: jax (built in), the name of a PennyLane device, such "
    "as lightning.qubit, or qiskit:aer, qiskit:FakeSherbrooke and the like; 'hybrid info' lists them. "
    "[default: jax]",
)
noise_option = click.option(
    "--noise",
    metavar="CHANNEL=P",
    help="Noise behind every gate: a channel and its strength, such as depolarizing=0.01 or bit_flip=0.02; "
    "several in quotes, with spaces between them. [default: none]",
)
readout_option = click.option(
    "--readout",
    type=click.FloatRange(0, 1),
    metavar="P",
    help="Probability that a qubit is read wrongly. [default: 0]",
)
shots_option = click.option(
    "--shots",
    type=click.IntRange(1),
    metavar="N",
    help="Estimate each expectation value from N measurements, as hardware would. [default: exact values]",
)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of them."""
    circuit = (readout_option, noise_option, shots_option, backend_option)
    for option in (*circuit, dtype_option, device_option, revision_option, model_option):
        command = option(command)
    return command


# What `model_options` are called as arguments of `load_model`.
MODEL_OPTIONS = ("model", "revision", "device", "dtype", "backend", "shots", "noise", "readout")


def load_model(
    model: str | None,
    device: str = "cpu",
    dtype: str | None = None,
    backend: str | None = None,
    shots: int | None = None,
    revision: str | None = None,
    noise: str | None = None,
    readout: float | None = None,
    seed: int | None = None,
    to_caption: bool = False,
) -> "tuple[HybridForConditionalGeneration, HybridProcessor]":
    """Load a model, and turn what is wrong with an option into a usage error.

    That its connector has not been trained, or that its circuit will take long, is said if it is to caption.
    """
    with without_collector():
        loaded = _load_model(model, device, dtype, backend, shots, revision, noise, readout, seed)
    if to_caption and loaded[0].config.connector_trained is False:
        log(
            f"note: the connector of {model} has not been trained, so what it says of a picture means "
            "nothing; train it with hybrid train"
        )
    if to_caption and backend:
        _note_density_matrix(loaded[0], backend)
    return loaded


def _note_density_matrix(model: Any, backend: str) -> None:
    from qproj.backends.pennylane import DENSITY_MATRIX

    n = model.connector.projection.circuit.n_qubits
    if backend in DENSITY_MATRIX and n >= _SLOW:
        log(
            f"note: {backend} holds a density matrix, 4^{n} numbers for {n} qubits, and takes long over each "
            "picture; for the noise of sampling alone, give --backend lightning.qubit with --shots"
        )


def _load_model(
    model: str | None,
    device: str,
    dtype: str | None,
    backend: str | None,
    shots: int | None,
    revision: str | None,
    noise: str | None,
    readout: float | None,
    seed: int | None,
) -> "tuple[HybridForConditionalGeneration, HybridProcessor]":
    import torch

    from hybrid.loading.load import load
    from hybrid.loading.names import ModelError

    quiet_transformers()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise click.UsageError(f"--device {device}: cannot be used ({reason}); try --device cpu") from None
    from qproj.noise import parse

    try:
        model_of_noise = parse(noise or "", readout)
    except (ValueError, TypeError) as error:
        raise click.UsageError(f"--noise: {error}") from None
    try:
        return load(
            model,
            device=device,
            dtype=None if dtype is None else getattr(torch, dtype),
            backend=backend,
            shots=shots,
            noise=model_of_noise,
            seed=None if shots is None and model_of_noise is None else seed,
            revision=revision,
        )
    except ModelError:
        raise
    except (ValueError, ImportError) as error:
        if backend is None and shots is None and model_of_noise is None:
            raise
        option = f"--backend {backend}" if backend else "--noise" if shots is None else f"--shots {shots}"
        raise click.UsageError(f"{option}: {error}") from None
