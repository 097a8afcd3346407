"""Data sets as numpy arrays, one module per kind; nothing here imports JAX."""
