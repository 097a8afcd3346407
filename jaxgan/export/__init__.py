"""Trained generators in others' formats: safetensors, ONNX, ``jax.export``."""
