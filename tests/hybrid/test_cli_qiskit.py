"""``hybrid caption`` and ``hybrid info`` with Qiskit's runners."""

import sys

import pytest

pytest.importorskip("qiskit_aer")
pytest.importorskip("qiskit_ibm_runtime")


def test_aer_says_the_same_and_a_device_says_something(run, scenes):
    path = scenes[0][0]
    said = run("caption", path)[1]
    code, measured, _ = run("caption", "--backend", "qiskit:aer", "--shots", 20000, "--seed", 1, path)
    assert (code, measured) == (0, said)
    code, out, _ = run("caption", "--backend", "qiskit:FakeSherbrooke", "--shots", 20, path)
    assert code == 0
    assert out.strip()


def test_info_says_what_each_can_do(run):
    code, out, _ = run("info")
    assert code == 0
    section = out.partition("backends\n")[2].partition("\n\n")[0]
    lines = {line.split()[0]: line for line in section.splitlines()}
    assert "exact, shots, noise, seed; gradients by parameter-shift" in lines["qiskit:aer"]
    assert "exact" not in lines["qiskit:FakeSherbrooke"]
    assert "adjoint" in lines["jax"]
    assert lines["qproj.statevector"].endswith("a PennyLane device")


def test_bad_names_and_a_missing_extra_are_one_line(run, scenes, monkeypatch):
    code, _, err = run("caption", "--backend", "qiskit:FakeSherbroke", scenes[0][0])
    assert code == 2
    assert "Did you mean 'qiskit:FakeSherbrooke'" in err
    from qproj import backends

    monkeypatch.setitem(sys.modules, "qiskit_aer", None)
    backends._named.cache_clear()
    code, _, err = run("caption", "--backend", "qiskit:aer", scenes[0][0])
    assert code == 2
    assert "pip install 'qproj[qiskit]'" in err
    assert len(err.strip().splitlines()) == 1
