"""Export trained generators as safetensors, ONNX and ``jax.export`` programs.

``folder.write`` writes them; ``docs/export.md`` explains what each file is for.
"""
