"""Compiled programs and what they run on: batches, buffers, caches."""
