"""Expectation values and gradients by TensorFlow Quantum, in an environment of its own: `make tfq`.

Reads what `tests.tfq.cases` wrote, and compares with `golden.json`, which the ordinary tests compare this
package with; writes that file where it is missing. Imports nothing of this package.
"""

import json
import sys
import time
from pathlib import Path

import cirq
import numpy as np
import sympy
import tensorflow as tf
import tensorflow_quantum as tfq

GOLDEN = Path(__file__).with_name("golden.json")
TOLERANCE = 1e-5  # of single precision


def word(letters, wires, qubits):
    """A Pauli word of Cirq's."""
    return cirq.PauliString({qubits[wire]: letter for letter, wire in zip(letters, wires, strict=True)})


def step(case):
    """A function that gives values and gradients for inputs and weights."""
    circuit = cirq.read_json(json_text=case["circuit"])
    qubits = cirq.LineQubit.range(case["n_qubits"])
    operators = [
        sum(factor * word(letters, wires, qubits) for letters, wires, factor in words)
        for words in case["observables"]
    ]
    n_inputs, weights = len(case["inputs"][0]), case["weights"]
    names = [f"x{i}" for i in range(n_inputs)] + [f"w{i}" for i in range(len(weights))]
    circuits = tfq.convert_to_tensor([circuit] * len(case["inputs"]))
    values = tf.constant([row + weights for row in case["inputs"]], tf.float32)
    cotangents = tf.constant(case["cotangents"], tf.float32)
    layer = tfq.layers.Expectation(differentiator=tfq.differentiators.Adjoint())
    symbols = [sympy.Symbol(name) for name in names]

    def run():
        with tf.GradientTape() as tape:
            tape.watch(values)
            found = layer(circuits, symbol_names=symbols, symbol_values=values, operators=operators)
            loss = tf.reduce_sum(found * cotangents)
        gradient = tape.gradient(loss, values).numpy()
        return {
            "values": found.numpy(),
            "by_inputs": gradient[:, :n_inputs],
            "by_weights": gradient[:, n_inputs:].sum(axis=0),
        }

    return run


def main(path):
    cases = json.loads(Path(path).read_text())
    lines = [f"TensorFlow Quantum {tfq.__version__}, TensorFlow {tf.__version__}, Cirq {cirq.__version__}"]
    results = {}
    for name, case in cases.items():
        run = step(case)
        found = run()
        start = time.perf_counter()
        for _ in range(20):
            run()
        took = (time.perf_counter() - start) / 20
        results[name] = {"circuit": case["circuit"]} | {k: np.round(a, 6).tolist() for k, a in found.items()}
        lines.append(f"{name}: values and gradients of {len(case['inputs'])} samples in {1e3 * took:.2f} ms")
    if not GOLDEN.is_file():
        GOLDEN.write_text(json.dumps(results, indent=1) + "\n")
        lines.append(f"wrote {GOLDEN.name}")
    golden = json.loads(GOLDEN.read_text())
    worst = 0.0
    for name, result in results.items():
        for key in ("values", "by_inputs", "by_weights"):
            worst = max(worst, np.abs(np.array(result[key]) - np.array(golden[name][key])).max())
        if result["circuit"] != golden[name]["circuit"]:
            lines.append(f"{name}: not the circuit of {GOLDEN.name}; remove the file to write it anew")
            worst = np.inf
    lines.append(f"largest difference from {GOLDEN.name}: {worst:.1e}")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
