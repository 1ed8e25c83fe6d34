"""How a circuit is run fast: JAX only, without torch."""
