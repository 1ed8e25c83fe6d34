"""What a noisy device would measure, by chance: an average over circuits with errors put in."""

import torch
from torch import Tensor

from qproj import Circuit, QuantumLayer
from qproj.circuits.gates import Gate


@torch.no_grad()
def depolarised(
    layer: QuantumLayer,
    angles: Tensor,
    probability: float,
    *,
    trajectories: int = 32,
    backend: str = "lightning.qubit",
    seed: int = 0,
) -> Tensor:
    """Estimate expectation values where each gate may fail.

    After every gate each of its wires suffers X, Y or Z, with a third of the probability each, which is
    PennyLane's ``DepolarizingChannel``. The mean over random circuits tends to the exact values of such a
    device; a density matrix, which gives them at once, would be too large for a dozen qubits.

    Args:
        layer: The circuit and its weights.
        angles: ``(batch, n_inputs)``.
        probability: Of an error, in [0, 1].
        trajectories: Random circuits.
        backend: Who runs them; one that does not compile is best, since no two are the same.
        seed: Decides the errors.

    Returns:
        ``(batch, n_outputs)``.

    Raises:
        ValueError: If the probability is none.
    """
    if not 0 <= probability <= 1:
        raise ValueError(f"probability must be in [0, 1], but was {probability}")
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(len(angles), layer.n_outputs)
    for _ in range(trajectories):
        gates: list[Gate] = []
        for gate in layer.circuit.plain_gates:
            gates.append(gate)
            for wire in gate.wires:
                if torch.rand((), generator=generator) < probability:
                    kind = "XYZ"[int(torch.randint(3, (), generator=generator))]
                    gates.append(Gate(f"Pauli{kind}", (wire,)))
        circuit = Circuit(layer.n_qubits, observables=layer.circuit.observables, gates=gates)
        noisy = QuantumLayer(circuit=circuit, backend=backend)
        noisy.weights.copy_(layer.weights.reshape(noisy.weights.shape))
        total += noisy(angles.cpu().float())
    return total / trajectories
