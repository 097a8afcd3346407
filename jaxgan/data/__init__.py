"""Data sets as numpy arrays, one module each."""
