"""Forks, several processes, several threads, long runs, and what outlives a process."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import numpy as np
import pytest
import torch
import torch.distributed as dist
from jax.experimental.compilation_cache import compilation_cache
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.nn.parallel import DistributedDataParallel

import qproj
from qproj import bridge
from qproj.backends import autograd
from qproj.functional import expectation
from qproj.interop import warmth


def run(code, timeout=300):
    """Run a script in a fresh process; a hang is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _a_layer():
    LAYER(torch.ones(3, 2))


def _a_qnode():
    import pennylane as qml  # which the processes below do without

    @qml.qnode(qml.device("qproj.statevector", wires=1))
    def node(x):
        qml.RX(x, 0)
        return qml.expval(qml.Z(0))

    node(0.3)


def _a_function():
    circuit = qproj.Circuit(1, 1)
    expectation(circuit, np.ones((1, 1)), np.ones(circuit.weight_shape))


LAYER = qproj.QuantumLayer(2, 1)


@pytest.mark.filterwarnings("ignore:os.fork")  # JAX's, that it may hang
@pytest.mark.parametrize("door", [_a_layer, _a_qnode, _a_function])
def test_every_door_is_shut_in_a_fork_of_a_process_that_used_jax(door, monkeypatch):
    """Refused, not hung, also where it was never used before; in the process itself all go on."""
    monkeypatch.setattr(warmth, "SECONDS", 0.0)  # compiled at once
    _a_layer()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends it
        try:
            door()
        except RuntimeError as error:
            told = "was forked from one in which JAX had run already", "(multiprocessing_context='spawn')"
            os._exit(0 if all(words in str(error) for words in told) else 2)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    door()


def _start(work, arguments, count):
    """Run `work(rank, *arguments)` in forks of a process that has imported all, which takes seconds."""
    torch.multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    torch.multiprocessing.start_processes(work, arguments, nprocs=count, start_method="forkserver")


def _load(_rank, folder, cached):
    for name, value in cached.items():
        jax.config.update(name, value)
    found = []
    jax.monitoring.register_event_listener(lambda name, **_: found.append(name))
    program = torch.export.load(folder / "program.pt2")
    with torch.no_grad():
        y = program.module()(torch.load(folder / "x.pt"))
    torch.save((y, sum(name.endswith("cache_hits") for name in found)), folder / "y.pt")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, when a program is written
def test_exported_and_compiled_programs_outlive_the_process(tmp_path):
    """The latter in JAX's persistent cache, as docs/performance.md tells to switch it on."""
    layer = qproj.QuantumLayer(2, 1, reupload=True, observables="zz")
    plain = torch.nn.Sequential(torch.nn.Linear(4, 2), layer, torch.nn.Linear(layer.n_outputs, 2))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    program = torch.export.export(plain, (x,), dynamic_shapes={"input": {0: torch.export.Dim("batch")}})
    torch.testing.assert_close(program.module()(x[:3]), plain(x[:3]))
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save(x, tmp_path / "x.pt")
    cached = {"jax_compilation_cache_dir": str(tmp_path), "jax_persistent_cache_min_compile_time_secs": 0}
    before = {name: getattr(jax.config, name) for name in cached}
    for settings in (cached, before):
        compilation_cache.reset_cache()
        for name, value in settings.items():
            jax.config.update(name, value)
        qproj.clear_caches()
        with torch.no_grad():
            expected = plain(x)
    _start(_load, (tmp_path, cached), 1)
    y, hits = torch.load(tmp_path / "y.pt")
    torch.testing.assert_close(y, expected)
    assert hits >= 1


def _trained(module, x, steps=3):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        module(x).square().mean().backward()
        optimizer.step()
    full = {name: getattr(t, "full_tensor", t.clone)() for name, t in module.state_dict().items()}
    return {name.removeprefix("module."): t for name, t in full.items()}


def _run(layer):
    values = layer(torch.linspace(-1, 1, 6).reshape(3, 2))
    values.sum().backward()
    return values.detach(), layer.weights.grad


def _projection(seed):
    return qproj.QuantumProjection(4, 3, 2, 1, generator=torch.Generator().manual_seed(seed))


def _work(rank, folder, layer, x):
    """What each of two processes does."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    mesh = dist.device_mesh.init_device_mesh("cpu", (2,))
    # DDP alone sends the first process's weights to the others.
    states = [_trained(DistributedDataParallel(_projection(rank)), x[rank])]
    for wrap in (
        partial(FullyShardedDataParallel, device_id=torch.device("cpu")),
        partial(fully_shard, mesh=mesh),
    ):
        states.append(_trained(wrap(_projection(0)), x[rank]))
    torch.save((_run(layer), states), f"{folder}/{rank}")
    dist.destroy_process_group()


def test_two_processes_equal_one_on_the_joint_batch(tmp_path):
    """With replicas (DDP) and sharded weights (FSDP1 and FSDP2); a layer that has run is sent to both."""
    layer, x = qproj.QuantumLayer(2, 1), torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(9))
    here, alone = _run(layer), _trained(_projection(0), x.flatten(0, 1))
    _start(_work, (str(tmp_path), layer, x), 2)
    for rank in (0, 1):
        there, states = torch.load(tmp_path / str(rank))
        assert all(map(torch.equal, there, here))
        for state in states:
            for name, expected in alone.items():
                torch.testing.assert_close(state[name], expected, atol=1e-6, rtol=0)


def test_layers_in_threads():
    """Also the same layer, in single and double precision at once: JAX's settings are of a thread."""
    layers = [qproj.QuantumLayer(2, n, generator=torch.Generator().manual_seed(n)) for n in (1, 2)]
    jobs = [(layer, dtype) for layer in layers for dtype in (torch.float32, torch.float64)] * 64
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


@pytest.mark.parametrize(("backend", "function"), [("jax", bridge._Run), ("lightning.qubit", autograd._Run)])
def test_leaves_have_their_accumulators_before_they_are_asked_for(backend, function, monkeypatch):
    """Else threads that share a layer may wait for each other for ever, as they did once in 10 s or so."""
    layer, apply, seen = qproj.QuantumLayer(2, 1, backend=backend), function.apply, []
    x = torch.ones(3, 2, requires_grad=True)

    def accumulator(leaf):
        return leaf.view_as(leaf).grad_fn.next_functions[0][0]

    def applied(*given):
        for leaf in given[:2]:
            accumulator(leaf).metadata["asked before"] = True
            seen.append("asked before" in accumulator(leaf).metadata)
        return apply(*given)

    monkeypatch.setattr(function, "apply", applied)
    with ThreadPoolExecutor(1) as another:
        another.submit(int).result()
        layer(x).sum().backward()
    assert seen == [True, True]


LONG = """
import gc, os, resource, jax, torch

def a_layer_imported_after_jax():
    jax.numpy.ones(3) + 1
    if os.fork():
        assert os.wait()[1] == 0
    else:
        import qproj
        try:
            qproj.QuantumLayer(1, 1)(torch.ones(1, 1))
        except RuntimeError as error:
            assert "was forked from one in which JAX had run already" in str(error)
            os._exit(0)
        os._exit(1)

def a_layer():
    layer(torch.ones(3, 3))

def forked(door):
    child = os.fork()
    if child == 0:
        door()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, door

forked(a_layer_imported_after_jax)
import qproj
layer = qproj.QuantumLayer(3, 1)
forked(a_layer)

compiled = []
jax.monitoring.register_event_duration_secs_listener(
    lambda name, *_, **__: compiled.append(name) if name.endswith("backend_compile_duration") else None
)
x = torch.randn(4096, 3)
data = torch.utils.data.TensorDataset(x[:16])
optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)

def resident():
    gc.collect()
    with open("/proc/self/statm") as stream:
        return int(stream.read().split()[1]) * resource.getpagesize()

def step(batch):
    optimizer.zero_grad()
    layer(x[:batch].clone().requires_grad_()).square().mean().backward()
    optimizer.step()

def grown(batches):
    before = resident()
    for batch in batches:
        step(batch)
    return (resident() - before) / 2**20

sizes = range(1, 25)
grown(sizes)
programs = len(compiled)
for _ in range(2):
    loader = torch.utils.data.DataLoader(data, batch_size=4, num_workers=2, multiprocessing_context="fork")
    for (few,) in loader:
        layer(few).sum().backward()
for batch in range(17, 25):
    once = x[:batch].clone().requires_grad_()
    (slope,) = torch.autograd.grad(layer(once).sum(), once, create_graph=True)
    slope.sum().backward()
grown([4] * 200 + [4096] * 10)
print(programs, len(compiled), grown([4] * 1000), grown(sizes), grown([4096] * 50))
"""


def test_long_runs_compile_little_and_keep_nothing_and_may_fork_before_and_for_loaders():
    """24 sizes both ways, second derivatives too; a thousand steps; large arrays.

    A fork before JAX has run may run it, and workers of loaders are forked after. A layer imported only in a
    fork of a process that used JAX is refused.
    """
    programs, in_all, *grown = map(float, run(LONG).split())
    # 9 buckets up to 24, of which 6 up to 8 are differentiated in forward and 3 have a backward too, and
    # one of these a gradient and its gradient. Few other programs are compiled, such as those of arrays.
    assert 9 + 3 <= programs <= in_all <= 9 + 3 + 10
    assert max(grown) < 8  # MiB; one state kept of each step would be 12 or more
