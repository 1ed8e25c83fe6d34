"""How fast the layer is, beside its peers and the machine's limits: ``pytest --benchmark-only``.

`grid.py` says what is measured, `peers/` against whom, `test_*.py` how, `limits.py` what no layer can beat.
`python -m benchmarks.report RESULT.json` turns a result into tables and pictures, and `python -m
benchmarks.compare OLD.json NEW.json` fails where a ratio fell.
"""
