#!/usr/bin/env bash
# A caption, a gradient and the quick tests with the versions named, each in an environment of its own in .matrix:
#   tests/matrix.sh [3.11] [3.12] [3.13] [oldest] [newest] [short]
# Without names all but `short`, which is what CI runs: Python 3.13 (skipped where it is not at hand), the newest of
# all but torch, and the few quick tests that touch other packages most. PHASE=install or PHASE=check does half of it.
set -euo pipefail
cd "$(dirname "$0")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1 PYTHONPATH=
extras='.[draw,train]'
tools='pytest pytest-benchmark pytest-mock flaky pytest-xdist hypothesis resvg-py hatchling'
short=(tests/hybrid/test_transformers.py tests/qproj/test_functional.py)

python_of() { # 3.13 -> an interpreter of that version, or nothing
    local candidate
    for candidate in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1."*/bin/python; do
        if [ -x "$candidate" ] && "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

torch() { # python, version or nothing for the newest: a CPU build, or what is as good for tests
    "$1" -c 'import torch' 2>/dev/null && return
    [ -n "$2" ] && "$1" -m pip install "torch==$2+cpu" 2>/dev/null && return
    "$1" -m pip install --no-deps "torch${2:+==$2}" && "$1" tests/cpu_torch.py
}

run() { # name, Python's version, torch's version, arguments for pip ...
    local name=$1 version=$2 torch=$3 base
    shift 3
    base=$(python_of "$version")
    if [ -z "$base" ]; then
        echo "== $name: skipped, for Python $version is not at hand (install it, or put python$version on the path)"
        return
    fi
    local folder=.matrix/$name
    local python=$folder/bin/python
    if [ "${PHASE:-install}" = install ]; then
        test -x "$python" || "$base" -m venv "$folder"
        if ! torch "$python" "$torch"; then
            echo "== $name: skipped, for torch ${torch:-of the newest version} cannot be installed on Python $version"
            return
        fi
        # shellcheck disable=SC2086
        "$python" -m pip install "$@" -e "$extras" $tools
    fi
    test "${PHASE:-check}" = check && test -x "$python" || return 0
    echo "== $name: Python $version, $("$python" -m pip freeze | grep -E '^(torch|jax|numpy|pillow|pennylane|transformers)==' | tr '\n' ' ')"
    "$folder/bin/hybrid" caption docs/example.png
    "$python" -c '
import torch, qproj
layer = qproj.QuantumLayer(3, n_layers=2)
x = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
assert torch.autograd.gradcheck(layer.double(), x)'
    # What other versions say about each other is not the library's to mend. Programs are optimised here as for users.
    XLA_FLAGS= "$python" -m pytest -q -p no:cacheprovider -W ignore::DeprecationWarning -W ignore::FutureWarning \
        -W 'ignore:Guards may run slower on Python 3.13.0:RuntimeWarning' "${tests[@]}"
}

tests=(-m quick)
for name in "${@:-3.11 3.12 3.13 oldest newest}"; do for name in $name; do
    case $name in
        3.11 | 3.12 | 3.13) run "$name" "$name" 2.13.0 -c constraints.txt ;;
        oldest) run oldest 3.11 "$(sed -n 's/^torch==//p' tests/oldest.txt)" -c tests/oldest.txt ;;
        newest) run newest 3.13 "" -U ;;
        short) tests=("${short[@]}") extras=.; run short 3.13 2.13.0 -U ;;
        *) echo "tests/matrix.sh: $name must be 3.11, 3.12, 3.13, oldest, newest or short" >&2; exit 2 ;;
    esac
done; done
