"""Any sampler as a backend: batched, differentiable, and checked against its capabilities."""

from __future__ import annotations

from dataclasses import replace

import torch

from qproj.backends import Backend
from qproj.backends.autograd import run_method, to_numpy
from qproj.backends.capabilities import Capabilities
from qproj.backends.checks import check, exact_or_not
from qproj.backends.sampler import Sampler, Template, template
from qproj.backends.shifts import Adjoint, ParameterShift, label_of
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import InputSlot
from qproj.circuits.measurements import Probs, Projector
from qproj.planning.execution import Execution, with_noise


class SampledBackend(Backend):
    """A backend of a sampler's; see `qproj.backends.Backend`.

    Samplers compute in double precision, unless theirs are made otherwise; results are cast to the dtype of
    the inputs.

    Args:
        sampler: The sampler.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    @property
    def name(self) -> str:
        """The sampler's."""
        return self.sampler.name

    @property
    def capabilities(self) -> Capabilities:
        """What the sampler can do."""
        return self.sampler.capabilities

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """Raise where the sampler cannot run the circuit in this way; see `qproj.backends.checks.check`."""
        self.plan(circuit, execution, amplitudes_need_gradient=circuit.amplitudes)

    def run(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit; see `qproj.backends.Backend`.

        Amplitudes get the gradient of the quadratic form that the values are, not of their normalisation.

        Raises:
            RuntimeError: If the sampler cannot run the circuit, with what it said and for which samples; or
                under a transformation of torch's, which no method but `"backprop"` has here.
            ValueError: As `check`, and for `"adjoint"` where amplitudes require a gradient.
        """
        grad = torch.is_grad_enabled()
        needs = grad and inputs.requires_grad, grad and weights.requires_grad
        of_amplitudes = circuit.amplitudes and needs[0]
        bare, execution, method = self.plan(circuit, execution, amplitudes_need_gradient=of_amplitudes)
        if method == "backprop":
            return self._backprop(bare, execution, inputs, weights)
        if method == "adjoint" and of_amplitudes:
            raise ValueError(
                "diff_method must be 'parameter-shift' where the inputs are amplitudes that require a "
                "gradient, but was 'adjoint', which has none for them. Or run the layer with backend='jax'."
            )
        kind = Adjoint if method == "adjoint" else ParameterShift
        return run_method(kind(self.sampler, bare, execution, needs), inputs, weights)

    def sample(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Bits; see `qproj.backends.Backend`."""
        if "samples" not in self.capabilities.measures:
            return super().sample(circuit, execution, inputs, weights)
        bare, execution, _ = self.plan(circuit, execution, amplitudes_need_gradient=False)
        runs = ParameterShift(self.sampler, bare, execution, (False, False))
        return torch.from_numpy(runs.samples(to_numpy(inputs), to_numpy(weights).ravel())).to(inputs.device)

    def plan(
        self, circuit: Circuit, execution: Execution, *, amplitudes_need_gradient: bool
    ) -> tuple[Template, Execution, str]:
        """The circuit, the execution and the differentiation method of a run, or an error."""
        capabilities = self.capabilities
        check(label_of(self.sampler), capabilities, circuit, execution)
        if execution.noise is not None:
            outcomes = any(isinstance(one, Probs | Projector) for one in circuit.observables)
            measures = outcomes or execution.shots or capabilities.default_shots
            if execution.noise.readout and measures and not getattr(self.sampler, "reads", False):
                raise ValueError(
                    f"noise must be without readout errors where {label_of(self.sampler)} measures, which "
                    "reads all bits rightly, but had some. Use backend='jax'."
                )
            circuit = with_noise(circuit, execution)
        more = getattr(self.sampler, "check", None)
        if more is not None:
            more(circuit, execution)
        bare = template(circuit, capabilities.gates)
        method = execution.diff_method
        if method == "best":
            # Backpropagation takes the whole batch at once, where both are to be had.
            order = ["backprop", "adjoint", "parameter-shift"]
            if amplitudes_need_gradient:
                order.remove("adjoint")
            method = next(name for name in order if name in exact_or_not(capabilities, execution))
        if execution.shots is None and capabilities.default_shots is not None:
            execution = replace(execution, shots=capabilities.default_shots)
        return bare, execution, method

    def _backprop(
        self, bare: Template, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """The whole batch at once, through a sampler whose operations torch can differentiate."""
        x, w = inputs.cpu().double(), weights.cpu().double().flatten()
        angles = [s.scale * (x[:, s.index] if isinstance(s, InputSlot) else w[s.index]) for s in bare.slots]
        try:
            words = self.sampler.trace(bare, angles, x if bare.circuit.amplitudes else None, execution)  # type: ignore[attr-defined]
        except Exception as error:
            raise RuntimeError(
                f"{label_of(self.sampler)} could not run the circuit: {type(error).__name__}: {error}"
            ) from error
        parts = words.expand(len(inputs), -1) * torch.from_numpy(bare.coefficients)
        nothing = parts.new_zeros(len(inputs), bare.circuit.n_outputs)
        outputs: torch.Tensor = nothing.index_add(1, torch.from_numpy(bare.outputs), parts).to(inputs)
        # So that what the circuit does not use has a gradient of zeros, as with the other methods.
        return outputs + 0 * (inputs.sum(dim=1, keepdim=True) + weights.sum())
