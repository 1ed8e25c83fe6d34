"""Private names of other packages. No other file uses any; `tests/hybrid/test_compat.py` sees to that."""
