"""The model card of an exported generator: ``README.md`` with the metadata that hubs read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxgan.export.sampler import Sampler

_HIDDEN = ("data_sha256", "labels_sha256", "modes_sha256")
_LONGEST = 200  # characters of a table cell


def settings_of(config: Any) -> dict[str, Any]:
    """Read the settings from a run's ``config.json``, without hashes and local paths."""
    settings = config.get("settings") if isinstance(config, Mapping) else None
    if not isinstance(settings, Mapping):
        return {}
    return {
        str(name): Path(value).name if isinstance(value, str) else value
        for name, value in settings.items()
        if name not in _HIDDEN and not str(name).startswith("jax_") and value not in (None, [])
    }


def numbers_of(summary: Any) -> dict[str, float]:
    """Read the measures of the first lane, which is exported, from a run's ``summary.json``."""
    if not isinstance(summary, Mapping):
        return {}
    cells = summary.get("cells")  # as the points laboratory writes it
    if isinstance(cells, list) and cells and isinstance(cells[0], Mapping):
        summary = cells[0].get("by_seed", {})
    numbers = {}
    for name, value in summary.items() if isinstance(summary, Mapping) else ():
        inside = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, value in inside:
            number: Any = value[0] if isinstance(value, list) and value else value
            if type(number) in (int, float) and not str(name).endswith("_s"):
                title = f"{part} of real data" if name == "floor" and part else f"{name} {part}"
                numbers[title.strip()] = float(number)
    numbers.pop("lanes", None)
    return numbers


def card(
    title: str,
    what: str,
    files: Mapping[str, str],
    sampler: Sampler,
    settings: Mapping[str, Any],
    numbers: Mapping[str, float],
    licence: str = "",
) -> str:
    """Return the text of a card.

    Args:
      title: Name of the generator.
      what: Description of the network.
      files: Names of the files beside the card, with a description of each.
      sampler: The function that the exported programs compute.
      settings: Settings of the training.
      numbers: Measures of the generated samples.
      licence: Licence of the weights, if it is known.
    """
    images = sampler.output == "images"
    tags = ["gan", "jax", "jaxgan"]
    head = {"library_name": "jaxgan", "tags": tags}
    head |= {"pipeline_tag": "unconditional-image-generation"} if images else {}
    head |= {"license": "other", "license_name": "see-below"} if licence else {}
    parts = [
        "---",
        *(f"{name}: {json.dumps(value)}" for name, value in head.items()),
        "---",
        "",
    ]
    parts += [f"# {_plain(title)}", "", f"A generator of {sampler.output}: {_plain(what)}.", ""]
    if "samples.png" in files:
        parts += ["![Samples](samples.png)", ""]
    parts += _table(("file", "content"), [(f"`{x}`", text) for x, text in files.items()])
    parts += ["## How to use it", "", *_snippets(files, sampler)]
    if settings:
        rows = [(name, _cell(value)) for name, value in settings.items()]
        parts += ["## Training", "", *_table(("setting", "value"), rows)]
    if numbers:
        rows = [(name, f"{value:.4g}") for name, value in numbers.items()]
        parts += ["## Measured", "", *_table(("measure", "value"), rows)]
    text = f"The weights: {_plain(licence)}." if licence else "No licence is given."
    return "\n".join([*parts, "## Licence", "", text, ""])


def _snippets(files: Mapping[str, str], sampler: Sampler) -> list[str]:
    """Return code that loads each file."""
    length = sampler.inputs["z"][1]
    latents = [
        "import numpy as np",
        f"z = np.random.default_rng(0).standard_normal((4, {length}), np.float32)",
    ]
    inputs = {"z": "z"}
    if "labels" in sampler.inputs:
        classes = sampler.inputs["labels"][1]
        latents.append(f"labels = np.eye({classes}, dtype=np.float32)[[0, 0, 0, 0]]")
        inputs["labels"] = "labels"
    if "truncation" in sampler.inputs:
        latents.append("truncation = np.array(0.7, np.float32)")
        inputs["truncation"] = "truncation"
    lines = []
    if "model.safetensors" in files:
        call = "jaxgan.convert.points('.').points(z)"
        if sampler.output == "images":
            more = ", label=0" if "labels" in inputs else ""
            scale = ", truncation=0.7" if "truncation" in inputs else ""
            call = f"(g := jaxgan.load('.'{more})).images(g.codes(z{scale}))"
        lines += _snippet("With jaxgan, in this folder", [*latents[:2], "import jaxgan"], call)
        code = ["from safetensors.numpy import load_file"]
        lines += _snippet("The arrays alone", code, "load_file('model.safetensors')", "arrays")
    if "generator.onnx" in files:
        feed = ", ".join(f"'{name}': {value}" for name, value in inputs.items())
        code = [*latents, "import onnxruntime"]
        code += ["session = onnxruntime.InferenceSession('generator.onnx')"]
        lines += _snippet("With onnxruntime", code, f"session.run(None, {{{feed}}})[0]")
    if "sampler.jax" in files:
        code = [*latents, "from jax import export"]
        code += ["program = export.deserialize(bytearray(open('sampler.jax', 'rb').read()))"]
        lines += _snippet("With JAX alone", code, f"program.call({', '.join(inputs.values())})")
    if sampler.output == "images":
        return [
            *lines,
            "Images are `[N, H, W, 3]`, around -1 (black) to 1 (white), not clipped.",
            "",
        ]
    return [*lines, "Points are `[N, 2]`, in the units of the data.", ""]


def _snippet(title: str, before: Sequence[str], call: str, result: str = "made") -> list[str]:
    return [f"{title}:", "", "```python", *before, f"{result} = {call}", "```", ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return _plain(", ".join(map(str, value)))
    return _plain(value)


def _plain(text: Any) -> str:
    """Return a text as one line of Markdown with special characters escaped."""
    line = " ".join(str(text).split())[:_LONGEST]
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in line)
