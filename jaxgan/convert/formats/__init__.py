"""Readers of file formats: they turn bytes into named arrays and run no code from files."""
