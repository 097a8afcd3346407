"""The generator of your own PyTorch checkpoint, read without PyTorch, and its directions.

`python examples/custom_checkpoint.py FILE` opens FILE: what `torch.save` or `safetensors` made
of a state dict. Without it, the example writes a small one: a DCGAN of random weights.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np

import jaxgan


def write_state_dict(path):
    """Write what `safetensors.torch.save_file(generator.state_dict(), path)` writes."""
    rng, arrays, header, end = np.random.default_rng(0), {}, {}, 0
    for i, (inputs, outputs) in enumerate([(24, 16), (16, 8), (8, 3)]):  # 4, 8, 16 pixels
        arrays[f"main.{3 * i}.weight"] = rng.normal(0, 0.2, (inputs, outputs, 4, 4))
        norm = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
        for name in norm if outputs > 3 else ():
            arrays[f"main.{3 * i + 1}.{name}"] = np.full(outputs, norm[name])
    for name, x in arrays.items():
        span = [end, end := end + 4 * x.size]
        header[name] = {"dtype": "F32", "shape": x.shape, "data_offsets": span}
    text, numbers = json.dumps(header).encode(), [x.astype("<f4") for x in arrays.values()]
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(numbers))
    return path


path = Path(sys.argv[1]) if sys.argv[1:] else write_state_dict(Path("custom.safetensors"))
generator = jaxgan.load(path, print)
z = jax.random.normal(jax.random.key(0), (4, generator.z_dim))
images = generator.images(generator.codes(z))
print(f"{generator.flavour}: {generator.z_dim} latents to images {list(images.shape[1:])}")
directions = jaxgan.sefa.directions(generator, k=3)
print("shares of the three directions that move images most:", directions.shares.round(3))
