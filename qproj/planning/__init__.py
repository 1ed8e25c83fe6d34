"""How a circuit is run, decided without running it. NumPy only."""
