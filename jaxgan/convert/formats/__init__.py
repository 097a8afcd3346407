"""Readers of file formats, which turn bytes into named arrays and run nothing in them."""
