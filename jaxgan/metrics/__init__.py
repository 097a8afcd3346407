"""Measures of a fit: pure functions of samples."""
