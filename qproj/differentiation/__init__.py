"""Ways to differentiate a compiled circuit, one a file."""
