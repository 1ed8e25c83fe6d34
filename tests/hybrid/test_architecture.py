import subprocess
import sys


def _modules_after(code: str) -> set[str]:
    out = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(out.stdout.split())


def test_importing_is_cheap():
    heavy = {"torch", "transformers", "jax", "pennylane", "numpy"}
    assert not heavy & _modules_after("import hybrid, hybrid.cli")


def test_a_captioner_does_not_need_training_libraries():
    loaded = _modules_after("from hybrid import caption, load, compose, HybridConfig")
    assert not {"pennylane", "peft", "matplotlib"} & loaded


def test_public_names_exist():
    import hybrid

    for name in hybrid.__all__:
        assert getattr(hybrid, name) is not None
    assert set(hybrid.__all__) <= set(dir(hybrid))
