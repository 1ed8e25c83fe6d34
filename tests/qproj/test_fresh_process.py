"""What needs a process in which nothing has been imported: one for all, since starting one takes long."""

import subprocess
import sys

import pytest

# In this order; each says what held once it is through.
PARTS = {
    "importing is light and changes nothing": """
import os, random
import numpy, torch
environment = dict(os.environ)
states = random.getstate(), torch.get_rng_state().tolist(), numpy.random.get_state()[1].tolist()
threads = torch.get_num_threads()
import qproj, qproj.backends.pennylane
assert not {"jax", "pennylane"} & set(sys.modules)
layer = qproj.QuantumLayer(2, 1, generator=torch.Generator().manual_seed(0))
assert "jax" not in sys.modules
assert dict(os.environ) == environment
assert threads == torch.get_num_threads()
assert states == (random.getstate(), torch.get_rng_state().tolist(), numpy.random.get_state()[1].tolist())
""",
    "settings of JAX are as they were": """
import jax, warnings
layer(torch.ones(1, 2)).sum().backward()
assert torch.ops.qproj.expectation.default
assert "torch._dynamo" not in sys.modules, "torch's compiler was loaded, which takes seconds"
before = dict(jax.config.values)
warnings.simplefilter("ignore", DeprecationWarning)  # of torch's own
for dtype in (torch.float32, torch.float64):
    x = torch.ones(3, 2, dtype=dtype, requires_grad=True)
    layer.to(dtype)(x).sum().backward()
torch.func.hessian(lambda x: layer(x).sum())(x)
assert dict(jax.config.values) == before
assert jax.numpy.zeros(1).dtype == "float32"
assert torch.get_default_dtype() == torch.float32
""",
    "without PennyLane": """
from qproj.backends import get_backend
sys.modules["pennylane"] = None
layer = qproj.QuantumLayer(2, 1)
calls = (lambda: layer.to_backend("lightning.qubit"), lambda: get_backend("lightning.qubit"))
for call in calls:
    try:
        call()
    except ImportError as error:
        assert "pip install 'qproj[pennylane]'" in str(error), error
    else:
        raise AssertionError("no error")
try:
    get_backend(None)
except TypeError as error:
    assert "backend must be a str, " in str(error), error
assert layer.backend == "jax"
layer(torch.zeros(1, 2))
""",
    "an application is strict in its own JAX code": """
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
layer = qproj.QuantumLayer(2, 1, observables="xyz")
x = torch.zeros(3, 2, requires_grad=True)
layer(x).sum().backward()
assert layer(x).dtype == x.grad.dtype == torch.float32
""",
}


@pytest.fixture(scope="module")
def finished():
    code = "\n".join(
        ["import sys", *(f"{code}\nprint({name!r}, flush=True)" for name, code in PARTS.items())]
    )
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("name", PARTS)
def test_in_a_fresh_process(finished, name):
    assert name in finished.stdout.splitlines(), finished.stderr
