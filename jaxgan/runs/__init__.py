"""Training runs: directories, checkpoints, the training loop, studies, and ``fit``."""

from jaxgan.runs.directory import (
    Diverged,
    Run,
    compare,
    write_json,
    write_text,
)
from jaxgan.runs.identity import to_json
from jaxgan.runs.signals import Stopped, deferred_signals, leave, stoppable

__all__ = [
    "Diverged",
    "Run",
    "Stopped",
    "compare",
    "deferred_signals",
    "leave",
    "stoppable",
    "to_json",
    "write_json",
    "write_text",
]
