"""Training: one file a stage, `hybrid.training.miniature` to run them in order."""
