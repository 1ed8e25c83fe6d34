"""Take a circuit from OpenQASM 3, train it on the engine, and check the result on Cirq's simulator.

Run it with ``python examples/exchange_circuits.py``; it takes a few seconds. It needs the extras ``qasm`` and
``cirq``.
"""

import torch

import qproj

TEXT = """
OPENQASM 3.0;
include "stdgates.inc";
input float[64] tilt;
input float[64] first;
input float[64] second;
qubit[2] q;
ry(tilt) q[0];
crx(first) q[0], q[1];
ry(second) q[0];
"""


def main() -> float:
    """Train, and return how far the engine's values are from Cirq's, and the target's from both."""
    circuit = qproj.Circuit.from_qasm(TEXT, input_params=["tilt"])
    layer = qproj.QuantumLayer(circuit=circuit, generator=torch.Generator().manual_seed(0))
    x = torch.linspace(-1, 1, 16)[:, None]
    target = torch.cos(x + 0.5)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(layer(x)[:, :1], target)
        loss.backward()
        optimizer.step()
    print(layer.circuit)
    print(layer.circuit.to_cirq())
    with torch.no_grad():
        ours = layer(x)
        theirs = layer.to_backend("cirq:simulator")(x)
    return max(loss.item(), (ours - theirs).abs().max().item())


if __name__ == "__main__":
    print(main())
