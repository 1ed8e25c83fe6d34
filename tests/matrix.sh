#!/usr/bin/env bash
# The fast tests with the oldest and the newest versions supported, each in an environment of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
fast=(
    tests/qproj/test_{bridge,compile,functional,layers,modules,simulation,transforms}.py
    tests/hybrid/test_{captioning,modeling,processing}.py
)
# What goes with another version of one of the four is left to pip.
bound='^(torch|jax|jaxlib|ml_dtypes|pennylane|pennylane_lightning|autoray|transformers|tokenizers|huggingface_hub)=='
for which in oldest newest; do
    folder=.matrix/$which
    mkdir -p "$folder"
    if [ "$which" = oldest ]; then
        { grep -vE "$bound" constraints.txt; cat tests/oldest.txt; } > "$folder/constraints.txt"
    else
        cp constraints.txt "$folder/constraints.txt"
    fi
    test -x "$folder/bin/python" || "${PYTHON:-python3}" -m venv "$folder"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check -c "$folder/constraints.txt" -e '.[test]'
    echo "== $which: $("$folder/bin/python" -m pip freeze 2>/dev/null | grep -E '^(torch|jax|pennylane|transformers)==' | tr '\n' ' ')"
    # What older versions say about each other is not the library's to mend.
    "$folder/bin/python" -m pytest -q -p no:cacheprovider -W ignore::DeprecationWarning "${fast[@]}"
done
