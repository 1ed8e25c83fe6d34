"""Tests of what the benchmarks say and how they are run. Nothing is timed here."""
