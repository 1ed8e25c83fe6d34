"""The arithmetic on states, in JAX."""
