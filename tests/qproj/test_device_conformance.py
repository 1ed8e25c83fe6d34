"""Some of PennyLane's own suite for devices, that of `pl-device-test`, on `qproj.statevector`.

One or two tests of each kind, run by the engine. `make pennylane-suite` runs all of it, on whatever runs a
circuit for users.
"""

import pytest
from pennylane.devices.tests import (
    test_gates,
    test_gates_with_expval,
    test_gradients_autograd,
    test_gradients_jax,
    test_gradients_torch,
    test_measurements,
    test_return_system,
    test_templates,
    test_wires,
)
from pennylane.devices.tests.conftest import (  # noqa: F401
    fixture_device,
    init_state,
    skip_if,
    tol,
    validate_diff_method,
)

from qproj.interop import warmth

pytestmark = pytest.mark.filterwarnings("ignore")  # of PennyLane's own


@pytest.fixture(autouse=True)
def _compiled_at_once(monkeypatch):
    """A circuit that is run once would be left to PennyLane's simulator."""
    monkeypatch.setattr(warmth, "SECONDS", 0.0)


@pytest.fixture
def device_kwargs(request):
    return {"name": "qproj.statevector", "shots": getattr(request.cls, "shots", None), "seed": 42}


def _some(suite, tests, shots=None):
    """A class with these tests of one of the suite's."""
    chosen = {f"test_{name}": getattr(suite, f"test_{name}") for name in tests.split()}
    marks = getattr(suite, "pytestmark", [])
    return type(suite.__name__, (), chosen | {"pytestmark": marks, "shots": shots})


TestGates = _some(test_gates.TestGatesQubit, "state_prep single_qubit_parameters")
TestGatesInExpval = _some(
    test_gates_with_expval.TestGatesQubitExpval, "supported_gate_two_wires_no_parameters"
)
TestExpval = _some(test_measurements.TestExpval, "multi_mode_hermitian_expectation projector_expectation")
TestTensorExpval = _some(test_measurements.TestTensorExpval, "hermitian")
TestVar = _some(test_measurements.TestTensorVar, "paulix_pauliy projector")
TestCustom = _some(test_measurements.TestStateMeasurement, "custom_state_measurement")
TestSample = _some(test_measurements.TestSample, "sample_wires sample_values_hermitian_multi_qubit", 10_000)
TestTensorSample = _some(test_measurements.TestTensorSample, "paulix_pauliy", 10_000)
TestSampledVar = _some(test_measurements.TestVar, "var", 10_000)
TestReturns = _some(test_return_system.TestIntegrationMultipleReturns, "mix_meas")
TestTemplates = _some(test_templates.TestTemplates, "QFT AmplitudeEmbedding")
TestWires = _some(test_wires.TestWiresIntegration, "wires_expval")
TestJax = _some(test_gradients_jax.TestGradients, "basic_grad")
TestTorch = _some(test_gradients_torch.TestGradients, "basic_grad multi_meas")
TestAutograd = _some(test_gradients_autograd.TestGradients, "basic_grad probs")
