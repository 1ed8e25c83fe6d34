"""What the tests of the engine share."""

import os

import pytest
import torch

import qproj

AS_FOR_USERS = {
    "xla_cpu_use_fusion_emitters": True,
    "xla_llvm_disable_expensive_passes": False,
    "xla_backend_optimization_level": 3,
    "xla_cpu_parallel_codegen_split_count": 32,
}


@pytest.fixture(autouse=True)
def _nothing_compiled_before():
    """`torch.compile` runs a function eagerly once it was compiled often, in whichever tests."""
    torch.compiler.reset()


@pytest.fixture(scope="module")
def optimised():
    """Compile as users do; `_compile_quickly` in the root's `conftest.py` says how the other tests do."""
    from jax._src import compiler

    before, flags = compiler.get_compile_options, os.environ.pop("XLA_FLAGS", None)
    qproj.clear_caches()

    def options(*args, env_options_overrides=None, **kwargs):
        return before(*args, env_options_overrides=AS_FOR_USERS | (env_options_overrides or {}), **kwargs)

    compiler.get_compile_options = options
    yield
    compiler.get_compile_options = before
    if flags is not None:
        os.environ["XLA_FLAGS"] = flags
    qproj.clear_caches()
