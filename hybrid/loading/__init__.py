"""A name or a folder becomes a model and its processor, and back."""
