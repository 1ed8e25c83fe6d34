"""The captioner as a transformers model: configuration, model, processor, connectors, LoRA."""
