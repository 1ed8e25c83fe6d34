"""Forks, spawned workers, several processes, several threads, long runs. Each in a process of its own."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import qproj


def run(code, timeout=120):
    """Run a script in a fresh process; a hang is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_loader_workers_are_forked_after_jax_has_run():
    run("""
import torch, qproj
layer = qproj.QuantumLayer(2, 1)
layer(torch.ones(3, 2)).sum().backward()
data = torch.utils.data.TensorDataset(torch.randn(32, 2))
for _ in range(2):
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=2, multiprocessing_context="fork")
    for (x,) in loader:
        layer(x).sum().backward()
""")


def test_running_in_a_fork_is_refused_not_hung():
    output = run("""
import os, torch, qproj
layer = qproj.QuantumLayer(2, 1)
layer(torch.ones(3, 2))
child = os.fork()
if child == 0:
    try:
        layer(torch.ones(3, 2))
    except RuntimeError as error:
        print(error, flush=True)
        os._exit(0)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
layer(torch.ones(3, 2))  # here it goes on
""")
    assert "was forked from one in which JAX had run already" in output
    assert "spawn" in output


FORKS = {
    "a QNode": """
import pennylane as qml
from qproj.interop import warmth
warmth.SECONDS = 0  # compiled at once
device = qml.device("qproj.statevector", wires=1)
def work():
    @qml.qnode(device)
    def node(x):
        qml.RX(x, 0)
        return qml.expval(qml.Z(0))
    return node(0.3)
work()
""",
    "qproj.functional": """
import numpy, qproj
from qproj.functional import expectation
circuit = qproj.Circuit(1, 1)
def work():
    return expectation(circuit, numpy.ones((1, 1)), numpy.ones(circuit.weight_shape))
work()
""",
    "a layer after JAX alone": """
import jax, torch, qproj
def work():
    qproj.QuantumLayer(1, 1)(torch.ones(1, 1))
jax.numpy.ones(3) + 1
""",
    "qproj imported after JAX": """
import jax
def work():
    import torch, qproj
    qproj.QuantumLayer(1, 1)(torch.ones(1, 1))
jax.numpy.ones(3) + 1
""",
}


@pytest.mark.parametrize("door", FORKS)
def test_every_door_is_shut_in_a_fork_of_a_process_that_used_jax(door):
    output = run(
        "import os"
        + FORKS[door]
        + """
child = os.fork()
if child == 0:
    try:
        work()
    except RuntimeError as error:
        print(error, flush=True)
        os._exit(0)
    os._exit(1)
assert os.waitpid(child, 0)[1] == 0
work()
"""
    )
    assert "was forked from one in which JAX had run already" in output


def test_a_fork_before_jax_has_run_may_run_it():
    run("""
import os, torch, qproj
layer = qproj.QuantumLayer(2, 1)
child = os.fork()
if child == 0:
    layer(torch.ones(3, 2))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""")


SPAWNED = """
import torch, qproj

def work(layer, x, results):
    y = layer(x)
    y.sum().backward()
    results.put((y.detach().numpy(), layer.weights.grad.numpy()))

if __name__ == "__main__":
    layer = qproj.QuantumLayer(2, 1)
    x = torch.randn(3, 2)
    expected = layer(x)
    expected.sum().backward()
    context = torch.multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=work, args=(layer, x, results))
    process.start()
    values, gradient = results.get(timeout=100)
    process.join()
    assert (torch.from_numpy(values) == expected).all()
    assert (torch.from_numpy(gradient) == layer.weights.grad).all()
"""


def test_spawned_worker(tmp_path):
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED)
    subprocess.run([sys.executable, script], check=True, timeout=120)


DISTRIBUTED = """
import sys, torch, qproj
import torch.distributed as dist
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel

def train(module, x, steps=3):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        module(x).square().mean().backward()
        optimizer.step()

def work(rank, store, path):
    dist.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(9))
    mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
    states = []
    for wrap in (
        DistributedDataParallel,
        lambda module: FullyShardedDataParallel(module, device_id=torch.device("cpu")),
        lambda module: fully_shard(module, mesh=mesh),
    ):
        seed = 0 if states else rank  # DDP alone sends the first process's weights to the others
        module = wrap(qproj.QuantumProjection(4, 3, 2, 1, generator=torch.Generator().manual_seed(seed)))
        train(module, x[4 * rank : 4 * rank + 4])
        full = {name: getattr(t, "full_tensor", t.clone)() for name, t in module.state_dict().items()}
        states.append({name.removeprefix("module."): t for name, t in full.items()})
    torch.save(states, path + str(rank))
    dist.destroy_process_group()

if __name__ == "__main__":
    folder = sys.argv[1]
    torch.multiprocessing.spawn(work, (folder + "/store", folder + "/state"), nprocs=2)
    alone = qproj.QuantumProjection(4, 3, 2, 1, generator=torch.Generator().manual_seed(0))
    train(alone, torch.randn(8, 4, generator=torch.Generator().manual_seed(9)))
    for rank in (0, 1):
        for state in torch.load(folder + "/state" + str(rank)):
            for name, expected in alone.state_dict().items():
                torch.testing.assert_close(state[name], expected, atol=1e-6, rtol=0)
"""


def test_two_processes_equal_one_on_the_joint_batch(tmp_path):
    """With replicas (DDP) and with sharded weights (FSDP1 and FSDP2)."""
    script = tmp_path / "distributed.py"
    script.write_text(DISTRIBUTED)
    subprocess.run([sys.executable, "-W", "ignore", script, tmp_path], check=True, timeout=180)


def test_layers_in_threads():
    """Also the same layer, in single and double precision at once: JAX's settings are of a thread."""
    layers = [qproj.QuantumLayer(2, n, generator=torch.Generator().manual_seed(n)) for n in (1, 2)]
    jobs = [(layer, dtype) for layer in layers for dtype in (torch.float32, torch.float64)] * 8
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))

    def work(job):
        layer, dtype = job
        own = x.to(dtype).requires_grad_()
        y = layer(own)
        (gradient,) = torch.autograd.grad(y.square().sum(), own)
        return y.detach(), gradient

    expected = [work(job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(work, jobs), expected, strict=True):
            for a, b in zip(one, other, strict=True):
                torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_any_batch_size_is_one_of_few_programs():
    """500 sizes, both ways, with second derivatives too: JAX compiles for the buckets only."""
    output = run("""
import jax, torch, qproj
compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, *_, **__: compiled.append(name) if name.endswith("backend_compile_duration") else None
)
layer = qproj.QuantumLayer(2, 1)
for batch in range(1, 501):
    x = torch.zeros(batch, 2, requires_grad=True)
    twice = batch > 384
    (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=twice)
    if twice:
        slope.sum().backward()
print(len(compiled))
""")
    # 17 buckets up to 512, of which 6 up to 8 are differentiated in forward and 11 have a backward too, and
    # one of these a gradient and its gradient.
    assert 17 + 11 <= int(output) <= 17 + 11 + 10


GROWTH = """
import gc, resource, sys, torch, qproj
layer = qproj.QuantumLayer(4, 2)
x = torch.randn(4096, 4)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)

def resident():
    gc.collect()
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * resource.getpagesize()

def step(i):
    optimizer.zero_grad()
    part = x[: {batch}].clone().requires_grad_()
    loss = layer(part).square().mean()
    loss.backward()
    optimizer.step()

for i in range({warm}):
    step(i)
before = resident()
for i in range({steps}):
    step(i)
print((resident() - before) / 2**20)
"""


@pytest.mark.parametrize(
    ("batch", "warm", "steps"),
    [("4", 1000, 9000), ("1 + i % 500", 600, 1500), ("4096", 50, 300)],
    ids=["ten thousand steps", "five hundred sizes", "large arrays"],
)
def test_memory_stays_flat(batch, warm, steps):
    grown = float(run(GROWTH.format(batch=batch, warm=warm, steps=steps)))
    assert grown < 24  # MiB; one state kept of each step would be 64 to 4,000


def test_settings_of_jax_are_as_they_were():
    run("""
import jax, torch
before = dict(jax.config.values)
import qproj
layer = qproj.QuantumLayer(2, 1)
for dtype in (torch.float32, torch.float64):
    x = torch.ones(3, 2, dtype=dtype, requires_grad=True)
    layer(x).sum().backward()
    torch.func.hessian(lambda x: layer(x).sum())(x)
assert dict(jax.config.values) == before
""")
