"""Latency, measured side by side in one run: ``pytest benchmarks --benchmark-only``."""
