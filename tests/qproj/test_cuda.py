"""The layer on a GPU; skipped where torch or JAX sees none."""

import subprocess
import sys

import pytest
import torch

import qproj

if not torch.cuda.is_available():
    pytest.skip("torch sees no GPU", allow_module_level=True)

jax = pytest.importorskip("jax")
if not any(device.platform == "gpu" for device in jax.devices()):
    pytest.skip("JAX sees no GPU: pip install 'jax[cuda12]'", allow_module_level=True)


def make(n_qubits=4, **options):
    return qproj.QuantumLayer(n_qubits, 3, generator=torch.Generator().manual_seed(0), **options)


def training_step(layer, x):
    x = x.detach().clone().requires_grad_()
    y = layer(x)
    gradients = torch.autograd.grad(y.square().sum(), [x, layer.weights])
    return [y.detach(), *gradients]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("batch", [3, 256])
@pytest.mark.parametrize(
    "options", [{}, {"diff_method": "adjoint"}, {"diff_method": "parameter-shift"}], ids=str
)
def test_equals_the_cpu(dtype, batch, options):
    layer = make(**options).to(dtype)
    x = torch.randn(batch, 4, generator=torch.Generator().manual_seed(1), dtype=dtype)
    expected = training_step(layer, x)
    found = training_step(layer.cuda(), x.cuda())
    for one, other in zip(found, expected, strict=True):
        assert one.is_cuda
        tolerance = 1e-10 if dtype == torch.float64 else 2e-5 * batch
        torch.testing.assert_close(one.cpu(), other, atol=tolerance, rtol=0)


def test_transforms_and_second_derivatives():
    layer = make(2).double().cuda()
    x = torch.randn(2, 2, dtype=torch.float64, device="cuda", requires_grad=True)
    torch.autograd.gradgradcheck(lambda x, _: layer(x), (x, layer.weights))
    torch.testing.assert_close(torch.func.vmap(layer)(x), layer(x))


def test_compiled():
    layer = make().cuda()
    x = torch.randn(5, 4, device="cuda")
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), layer(x))


def test_nothing_is_freed_while_it_is_read():
    """On a stream of its own, inputs dropped at once: torch must not hand their memory out too early."""
    layer = make(9).cuda()
    rows = torch.randn(200, 9, generator=torch.Generator().manual_seed(1))
    expected = make(9)(rows)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        found = []
        for row in rows.cuda():
            x = row.expand(2048, 9).clone()
            found.append(layer(x)[-1])
            del x
            torch.randn(2048, 9, device="cuda")  # takes the memory, if it may
    stream.synchronize()
    torch.testing.assert_close(torch.stack(found).cpu(), expected, atol=1e-4, rtol=0)


def test_layers_on_cpu_and_gpu_side_by_side():
    x = torch.randn(3, 4)
    on_cpu, on_gpu = make(), make().cuda()
    torch.testing.assert_close(on_gpu(x.cuda()).cpu(), on_cpu(x), atol=1e-5, rtol=0)
    assert on_cpu(x).device.type == "cpu"


def test_memory_is_not_taken_beforehand_where_the_application_says_so():
    """As docs/torch.md tells it to."""
    code = """
import os
os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
import torch, qproj
layer = qproj.QuantumLayer(4, 2).cuda()
layer(torch.randn(8, 4, device="cuda")).sum().backward()
free, total = torch.cuda.mem_get_info()
print((total - free) / 2**20)
"""
    used_before = (lambda free, total: (total - free) / 2**20)(*torch.cuda.mem_get_info())
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(output) - used_before < 2048  # MiB: two contexts and their libraries
