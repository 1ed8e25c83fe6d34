"""Private and experimental names of torch and JAX, each behind one function. No other file uses any.

A name may be gone in the next release. Then its function takes a fallback that is right, perhaps slower;
`tests/qproj/test_compat.py` hides each name in turn.
"""
