"""Learn a function of two angles with a small circuit: the quantum layer in a plain PyTorch loop.

Run it with ``python examples/train_layer.py``; it takes a few seconds.
"""

import torch

import qproj


def main() -> float:
    """Train, and return the last loss."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(256, 2, generator=generator) * 2 * torch.pi
    y = torch.cos(x[:, :1]) * torch.sin(x[:, 1:])

    model = torch.nn.Sequential(
        qproj.QuantumProjection(2, 1, n_qubits=3, n_layers=3, generator=generator),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for step in range(200):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if step % 40 == 0:
            print(f"step {step:3d}  loss {loss.item():.4f}")
    print(f"step 200  loss {loss.item():.4f}")
    print(model[0].circuit.circuit)
    return loss.item()


if __name__ == "__main__":
    main()
