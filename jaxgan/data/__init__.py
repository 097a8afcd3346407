"""Data sets: one file each, numpy only."""
