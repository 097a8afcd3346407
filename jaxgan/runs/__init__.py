"""A run: its directory, its checkpoints, the host's loop, and what is said on the way."""

from jaxgan.runs.directory import (
    Diverged,
    Run,
    Stopped,
    compare,
    deferred_signals,
    write_json,
    write_text,
)
from jaxgan.runs.identity import to_json

__all__ = [
    "Diverged",
    "Run",
    "Stopped",
    "compare",
    "deferred_signals",
    "to_json",
    "write_json",
    "write_text",
]
