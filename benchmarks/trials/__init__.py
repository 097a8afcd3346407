"""The trials of ``benchmarks/reliability.py``."""
