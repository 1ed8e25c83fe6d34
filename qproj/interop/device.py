"""The PennyLane device `qproj.statevector`: any QNode on this package's engine.

PennyLane loads this module by its entry point; nothing else does, since it cannot be without PennyLane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import DTypeLike
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.modifiers import simulator_tracking, single_tape_support
from pennylane.devices.qubit.sampling import jax_random_split
from pennylane.devices.qubit.simulate import measure_final_state, simulate
from pennylane.exceptions import DeviceError
from pennylane.transforms import convert_to_numpy_parameters
from pennylane.transforms.core import CompilePipeline

from qproj import __version__
from qproj._compat.jax import is_pushed_forward
from qproj.circuits.observables import PauliWord
from qproj.interop import differentiable
from qproj.interop.preprocessing import can_be_shifted, has_complex_results, pipeline, refuse_gradients
from qproj.interop.tapes import Script, is_script, measured, script
from qproj.interop.warmth import is_worth_compiling
from qproj.memory import check_memory

NAME = "qproj.statevector"
# All of these are the engine's own gradients.
_EXACT = ("adjoint", "device", "best", "backprop")
# What derives a gradient from the same circuit's values at other parameters; exactly, and by differences.
_TRANSFORMS = (
    qml.gradients.param_shift, qml.gradients.hadamard_grad,
    qml.gradients.finite_diff, qml.gradients.spsa_grad,
)  # fmt: skip
_JAX = (qml.math.Interface.JAX, qml.math.Interface.JAX_JIT)
_ENGINE = ("numpy", "autograd", "torch", "jax")


@simulator_tracking
@single_tape_support
class QprojStatevector(Device):  # type: ignore[misc]
    """An exact state-vector simulator on jitted JAX.

    Expectation values of Pauli words and their sums are one compiled program with gradients of its own; for
    all other measurements PennyLane's own code takes over from the final state, which has gradients, too. A
    program is compiled once for a circuit's structure: new parameter values find it again. PennyLane's own
    simulator runs small circuits until compiling is worth its time, and operations that are not unitary.

    Args:
        wires: Number of wires, or their labels; `None` to take them from each circuit.
        shots: Default number of measurements, or a sequence of such; `None` for exact results.
        seed: Of the measurements' randomness: an int, or anything `numpy.random.default_rng` takes; a key of
            JAX, with which every execution draws the same; `"global"` for one drawn from NumPy's global
            state; `None` for another one each time.
        c_dtype: Precision: `np.complex128` or `np.complex64`.

    Raises:
        ValueError: If `c_dtype` is neither.
    """

    pennylane_requires = ">=0.45"
    version = __version__
    author = "The qproj developers"
    short_name = NAME

    def __init__(
        self, wires: Any = None, shots: Any = None, seed: Any = None, c_dtype: DTypeLike = np.complex128
    ) -> None:
        super().__init__(wires=wires, shots=shots)
        kind = np.dtype(c_dtype).type
        if kind not in (np.complex64, np.complex128):
            raise ValueError(f"c_dtype must be np.complex64 or np.complex128, but was {c_dtype!r}.")
        self.c_dtype = kind
        self._key = seed if qml.math.get_interface(seed) == "jax" else None
        if isinstance(seed, str) and seed == "global":
            seed = np.random.randint(10_000_000)  # noqa: NPY002 (what was asked for)
        self._rng = np.random.default_rng(None if self._key is not None else seed)

    @property
    def name(self) -> str:
        """The name `qml.device` knows."""
        return NAME

    def supports_derivatives(
        self, execution_config: ExecutionConfig | None = None, circuit: Any = None
    ) -> bool:
        """Whether the device has gradients: of all exact measurements but those of sparse Hamiltonians."""
        if execution_config is not None and execution_config.gradient_method not in _EXACT:
            return False
        if circuit is None:
            return True
        # PennyLane measures these in a way that has no gradients, and shifts parameters for them.
        sparse = any(isinstance(m.obs, qml.SparseHamiltonian) for m in circuit.measurements)
        return not circuit.shots and not sparse

    def supports_vjp(self, *_: Any, **__: Any) -> bool:
        """Never, nor `supports_jvp`: PennyLane's interfaces differentiate what the device returns."""
        return False

    supports_jvp = supports_vjp

    def compute_derivatives(self, *_: Any, **__: Any) -> Any:
        """Refuse, as `compute_jvp` and `compute_vjp` do: PennyLane's own refusal of these has no words."""
        raise NotImplementedError(
            f"{NAME} must be differentiated by a QNode (qml.grad, jax.grad, torch's backward), but was asked "
            "for the derivatives of a tape: qml.gradients.param_shift makes tapes for these."
        )

    compute_jvp = compute_vjp = compute_derivatives

    def setup_execution_config(
        self, config: ExecutionConfig | None = None, circuit: Any = None
    ) -> ExecutionConfig:
        """Fill in what the caller left open."""
        config = config or ExecutionConfig()
        if config.device_options:
            raise DeviceError(f"device_options must be empty, but were {config.device_options}.")
        mcm = config.mcm_config
        if mcm.mcm_method not in (None, "device", "deferred"):
            raise DeviceError(
                f"mcm_method must be 'deferred', since no other is supported on {NAME}, but was "
                f"'{mcm.mcm_method}'."
            )
        changes: dict[str, Any] = {"mcm_config": replace(mcm, mcm_method="deferred")}
        if config.gradient_method in _EXACT and self.supports_derivatives(config, circuit):
            # PennyLane's word for devices whose results its interfaces can differentiate.
            changes |= {
                "gradient_method": "backprop",
                "use_device_gradient": True,
                "use_device_jacobian_product": False,
                "grad_on_execution": False,
            }
        elif config.gradient_method in _TRANSFORMS and circuit is not None:
            shifts = config.gradient_method in _TRANSFORMS[:2]
            if has_complex_results(circuit) or (shifts and not can_be_shifted(circuit)):
                changes["gradient_method"] = refuse_gradients
        # A key may be a tracer, which must not leave the trace by a callback.
        if self._key is not None and config.interface in _JAX and config.derivative_order == 1:
            changes["convert_to_numpy"] = False
        return replace(config, **changes)

    def preprocess_transforms(self, execution_config: ExecutionConfig | None = None) -> CompilePipeline:
        """What turns any tape into tapes of native gates and matrices."""
        return pipeline(NAME, self.wires, execution_config or ExecutionConfig())

    def execute(
        self, circuits: Sequence[Any], execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, ...]:
        """Run tapes as `preprocess_transforms` makes them; see `pennylane.devices.Device.execute`."""
        config = execution_config or ExecutionConfig()
        differentiates = config.gradient_method == "backprop"
        interface = (config.interface.get_like() if differentiates else None) or "numpy"
        results, key = [], self._key
        for circuit in circuits:
            key, this = jax_random_split(key)
            results.append(self._run(circuit, interface, this, config.mcm_config.postselect_mode))
        return tuple(results)

    def _run(self, tape: Any, interface: str, key: Any, postselect_mode: str | None) -> Any:
        check_memory(tape.num_wires)
        tape = tape.map_to_standard_wires()
        if any(map(differentiable.is_traced, (*tape.get_parameters(trainable_only=False), key))):
            interface = "jax"
        elif interface == "jax":
            # Op by op JAX is slow.
            ((plain,), _) = convert_to_numpy_parameters(tape)
            return differentiable.to_jax(self._run(plain, "numpy", key, postselect_mode))
        wanted = None if tape.shots else measured(tape.measurements)
        # A circuit measures something; where the state is wanted, nothing is made of it.
        words = (PauliWord("Z", (0,)),) if wanted is None else wanted.words
        forward = any(map(is_pushed_forward, tape.get_parameters(trainable_only=False)))
        fits = interface in _ENGINE and not forward and is_script(tape)
        job = script(tape, words) if fits else None
        if job is None or not self._compiles(job, interface):
            options = {"rng": self._rng, "prng_key": key, "postselect_mode": postselect_mode}
            return simulate(_in_double(tape), interface=interface, **options)
        numbers = job.numbers(interface, differentiable.real(self.c_dtype, interface))
        if wanted is None:
            return self._measure(tape, job, differentiable.states(job.circuit, *numbers, interface), key)
        of_words = differentiable.values(job.circuit, *numbers, interface)
        values = wanted.values(qml.math.cast(of_words, differentiable.real(np.complex128, interface)))
        columns = tuple(values[0] if job.batch is None else qml.math.T(values))
        return columns[0] if len(columns) == 1 else columns

    def _compiles(self, job: Script, interface: str) -> bool:
        """Whether the engine runs a circuit, and not PennyLane's simulator, which has one precision."""
        if interface == "jax" or self.c_dtype == np.complex64:
            return True
        return is_worth_compiling(job.circuit, job.batch or 1, interface != "numpy")

    def _measure(self, tape: Any, job: Script, states: Any, key: Any) -> Any:
        phase = qml.math.exp(1j * qml.math.convert_like(job.phase, states))
        states = qml.math.T(qml.math.T(states) * qml.math.cast_like(phase, states))
        batch = () if job.batch is None else (job.batch,)
        state = qml.math.reshape(states, (*batch, *(2,) * job.circuit.n_qubits))
        # As PennyLane's simulator does, so that equal keys draw equal samples.
        _, key = jax_random_split(key)
        return measure_final_state(tape, state, bool(batch), rng=self._rng, prng_key=key)


def _in_double(tape: Any) -> Any:
    """A tape with parameters in double precision; PennyLane computes in that of a gate's parameter."""
    given = tape.get_parameters(trainable_only=False)
    taken = list(map(_double, given))
    places = [place for place, pair in enumerate(zip(given, taken, strict=True)) if pair[0] is not pair[1]]
    return tape.bind_new_parameters([taken[place] for place in places], places) if places else tape


def _double(value: Any) -> Any:
    name = qml.math.get_dtype_name(value) if hasattr(value, "dtype") else ""
    if name in ("float16", "bfloat16", "float32", "complex64") and not differentiable.is_traced(value):
        value = qml.math.cast(value, "complex128" if name == "complex64" else "float64")
    return differentiable.one_parameter(value)
