"""One layer for all backends of Keras; how each runs the circuit is a file of its own beside this one."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Self

import keras

from qproj.circuits.ansatz import AnsatzName
from qproj.circuits.circuit import Circuit
from qproj.circuits.encodings import EncodingName
from qproj.circuits.making import one_circuit
from qproj.circuits.observables import Observable, ObservablesName
from qproj.circuits.text import dumps, loads
from qproj.planning.strategies import DiffMethod, Strategy

_BACKENDS = ("jax", "torch", "tensorflow")


@keras.saving.register_keras_serializable(package="qproj")
class QuantumLayer(keras.layers.Layer):  # type: ignore[misc]
    """A parametrised quantum circuit: angles in, expectation values or probabilities out.

    It runs on the engine, exactly, on whichever backend Keras was imported with: in JAX as part of its
    compiled program, in torch as `qproj.QuantumLayer` does, in TensorFlow as a function of NumPy's, whose
    backward pass runs the circuit again.

    Args:
        n_qubits: As for `qproj.QuantumLayer`, and so are those that follow.
        n_layers: Number of ansatz layers.
        encoding: How inputs enter.
        ansatz: The trainable part.
        observables: What is measured, but for a state, which is complex.
        reupload: Whether the inputs enter again before every layer.
        circuit: A circuit instead of all of the above.
        diff_method: How gradients are computed.
        strategy: How the circuit is run.
        seed: Of the initial weights, uniform in (0, 2 pi); as for Keras's initializers.
        options: Of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Attributes:
        circuit: The circuit as data.
        angles: The trainable angles, `circuit.weight_shape`, radians; there once the layer is built.

    Raises:
        ValueError: As `qproj.Circuit`; if the circuit comes with options of its own; or for another backend
            of Keras's.
    """

    def __init__(
        self,
        n_qubits: int | None = None,
        n_layers: int | None = None,
        *,
        encoding: EncodingName | None = None,
        ansatz: AnsatzName | None = None,
        observables: ObservablesName | Iterable[Observable] = "z",
        reupload: bool = False,
        circuit: Circuit | None = None,
        diff_method: DiffMethod = "best",
        strategy: Strategy = "auto",
        seed: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        circuit = one_circuit(circuit, n_qubits, n_layers, encoding, ansatz, observables, reupload)
        if circuit.is_state:
            raise ValueError("observables must be real in Keras, but were a state. Use 'probs' or words.")
        if keras.config.backend() not in _BACKENDS:
            raise ValueError(
                f"Keras's backend must be one of {', '.join(map(repr, _BACKENDS))}, but was "
                f"{keras.config.backend()!r}. Set KERAS_BACKEND before Keras is imported."
            )
        self.circuit, self.diff_method, self.strategy, self.seed = circuit, diff_method, strategy, seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights; ValueError if the last dimension is not the circuit's number of inputs."""
        width = input_shape[-1]
        if width is None or not self.circuit.takes(width):
            raise ValueError(
                f"inputs must have shape (..., {self.circuit.n_inputs}), but had shape {tuple(input_shape)}."
            )
        self.angles = self.add_weight(
            shape=self.circuit.weight_shape,
            initializer=keras.initializers.RandomUniform(0.0, 2 * math.pi, seed=self.seed),
            name="angles",
            autocast=False,  # of an angle, half precision keeps too little
        )

    def call(self, inputs: Any) -> Any:
        """Run the circuit.

        Args:
            inputs: `(..., n_inputs)`, radians.

        Returns:
            What is measured, `(..., n_outputs)`, in the dtype of the inputs.
        """
        run = importlib.import_module(f"qproj.keras.on_{keras.config.backend()}").run
        return run(self.circuit, self.diff_method, self.strategy, inputs, self.angles.value)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of what `call` returns."""
        return (*input_shape[:-1], self.circuit.n_outputs)

    def get_config(self) -> dict[str, Any]:
        """What a saved model holds of the layer, beside its weights."""
        own = {"circuit": dumps(self.circuit), "diff_method": self.diff_method, "strategy": self.strategy}
        return {**super().get_config(), **own, "seed": self.seed}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer of what `get_config` returned."""
        return cls(**{**config, "circuit": loads(config["circuit"])})
