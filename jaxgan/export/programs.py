"""Write samplers as programs that run without jaxgan; each is checked against jaxgan.

``jaxgan/export/folder.py`` calls the functions; ``docs/export.md`` runs the programs.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

from jaxgan.errors import InputError
from jaxgan.export import onnx_program
from jaxgan.export.sampler import Sampler, symbolic

TOLERANCE = 1e-4  # largest difference, relative to the largest value or to 1 if that is larger
PLATFORMS = ("cpu", "cuda")
_BATCHES = (1, 3)


def write_onnx(path: Path, sampler: Sampler) -> float:
    """Write a sampler as ONNX, for batches of any size.

    Returns:
      The largest difference from jaxgan's own results, divided by the largest of their
      absolute values (or by 1 if that is larger).

    Raises:
      InputError: If the sampler cannot be converted, or if onnxruntime's results differ by
        more than ``TOLERANCE``.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("ONNX needs the onnx extra: pip install 'jaxgan[onnx]'") from error
    program = sampler.traced(jax.make_jaxpr, symbolic())
    content = onnx_program.convert(program, list(sampler.inputs), sampler.output)
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(*arguments):
        return session.run(None, dict(zip(sampler.inputs, arguments, strict=True)))[0]

    error = _largest_difference("ONNX", run, sampler)
    path.write_bytes(content)
    return error


def write_jax(path: Path, sampler: Sampler) -> float:
    """Write a sampler as a ``jax.export`` program, for batches of any size and ``PLATFORMS``.

    The weights are part of the program. Results and errors are those of ``write_onnx``.
    """
    program = sampler.traced(
        lambda function: export.export(jax.jit(function), platforms=PLATFORMS), symbolic()
    )
    content = program.serialize()
    error = _largest_difference("jax.export", export.deserialize(content).call, sampler)
    path.write_bytes(content)
    return error


def _largest_difference(kind: str, run: Any, sampler: Sampler) -> float:
    """Return the largest difference from the reference over batches of several sizes."""
    worst = 0.0
    for count in _BATCHES:
        arguments = sampler.draw(count)
        actual, expected = (
            np.asarray(run(*arguments)),
            np.asarray(sampler.reference(*arguments)),
        )
        if actual.shape != expected.shape:
            raise InputError(f"{kind}: results have shape {actual.shape}, not {expected.shape}")
        difference = np.abs(actual - expected).max() / max(1.0, np.abs(expected).max())
        worst = max(worst, float(np.nan_to_num(difference, nan=np.inf)))
    if worst > TOLERANCE:
        raise InputError(f"{kind}: results differ from jaxgan's by {worst:.1g}")
    return worst
