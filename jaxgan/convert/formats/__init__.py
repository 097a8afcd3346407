"""Readers of file formats: bytes to named arrays, within bounds, without running anything."""
