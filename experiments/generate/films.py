"""Make a walk through latent space as a GIF and an mp4, and tables of mixed styles."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from experiments.generate.config import LAYERS, Config, table
from experiments.generate.record import Check, Output
from experiments.generate.source import Source
from jaxgan import sefa
from jaxgan.convert import sampling
from jaxgan.convert.generator import Pretrained
from jaxgan.errors import InputError
from jaxgan.plots import raster, video
from jaxgan.runs.progress import progress, say
from jaxgan.sefa.render import reduce

SMALLEST, GIF_SIDE, TABLE_SIDE = 256, 256, 192  # sides in pixels
_GIF_FPS, _GIF_FRAMES = 15, 300
_TITLE = 340  # pixels that the title of a table needs


def frames_of(config: Config) -> int:
    """Return the number of pictures of a walk."""
    return max(2, round((config.walk or 0) * config.fps))


def stops_of(config: Config) -> int:
    """Return the number of latents on a walk."""
    return config.stops or max(2, round(config.walk or 0))


def require(config: Config, source: Source) -> None:
    """Check that the generator supports the walk or the table.

    Raises:
      InputError: If it has no images, no sphere to walk on, or no layers to mix.
    """
    generator = source.images(f"--{config.kind}")
    if config.kind == "mix":
        layer_sets(config, generator)
    elif source.dim < 2:
        raise InputError("--walk: latents of one dimension have no sphere to walk on")


def cost(config: Config, source: Source) -> str:
    """Describe the output, for ``--dry_run``."""
    generator = source.images(f"--{config.kind}")
    if config.kind == "walk":
        count, stops = frames_of(config), stops_of(config)
        return f"{count} images by {stops} latents, as a GIF and an mp4"
    rows, columns = table(config.mix or "")
    sets = layer_sets(config, generator)
    count = rows + columns + rows * columns * len(sets)
    return f"{count} images, in one table each for {', '.join(sets)}"


def walk(output: Output) -> list[Path] | None:
    """Write ``walk.gif`` and, if PyAV is installed, ``walk.mp4``.

    Returns:
      The files; ``None`` if they existed already.

    Raises:
      InputError: If the generator supports no walk, or the folder holds something else.
    """
    config, source, folder = output.config, output.source, output.place
    generator = source.images("--walk")
    z = np.asarray(sampling.latents(config.seed, 0, stops_of(config), source.dim))
    places = sefa.closed_walk(z, frames_of(config))
    if source.labels is not None:
        generator = generator.with_labels(source.labels[:1])
    with output.run(folder) as run:
        paths = [folder / "walk.gif", folder / "walk.mp4"][: 1 + video.available()]
        if run.summary() and all(path.exists() for path in paths):
            return None
        if len(paths) == 1:
            say(f"{video.MISSING}; the GIF is written without it")
        side = _frame_side(source.shape[0])
        film = nullcontext(lambda frame: None)
        if len(paths) == 2:
            film = video.mp4(paths[1], config.fps, side, side)
        every = max(-(-config.fps // _GIF_FPS), -(-len(places) // _GIF_FRAMES))

        def codes_of(numbers: np.ndarray) -> Any:
            return generator.codes(places[numbers], config.truncation)

        with film as add:

            def small() -> Iterator[np.ndarray]:
                images = _images(source, generator, len(places), codes_of, output.check)
                for number, image in enumerate(images):
                    frame = _enlarged(image, side)
                    add(frame)
                    if number % every == 0:
                        yield reduce(frame, GIF_SIDE)

            video.gif(paths[0], small(), every / config.fps)
        run.finish({"files": [path.name for path in paths], "frames": len(places)})
    return paths


def _frame_side(side: int) -> int:
    """Return the side of a frame in pixels: small images are enlarged by a whole factor."""
    return side * max(1, SMALLEST // side)


def _enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """Enlarge an image to ``[side, side, 3]``."""
    wide = np.broadcast_to(image, (*image.shape[:2], 3))
    factor = side // len(image)
    return wide.repeat(factor, axis=0).repeat(factor, axis=1)


def _images(
    source: Source,
    generator: Pretrained,
    count: int,
    codes_of: Callable[[np.ndarray], Any],
    check: Check,
) -> Iterator[np.ndarray]:
    """Yield images ``[H, W, C]`` of codes 0 to ``count - 1``, drawn in batches of one size."""
    size = min(source.batch_size, count)
    size += -size % (generator.mesh.size if generator.mesh else 1)

    def draw(start: int, _: int) -> Any:
        codes = codes_of(np.minimum(np.arange(start, start + size), count - 1))
        return sampling.to_bytes(generator.images(codes), source.shape[2])

    with progress(0, count, unit="image") as bar:
        for start, batch in sampling.batches(draw, range(0, count, size), size):
            check()
            yield from batch[: count - start]
            bar.update(min(size, count - start))


def layer_sets(config: Config, generator: Pretrained) -> dict[str, tuple[int, ...]]:
    """Return the layers to take from columns, by name; by default coarse, middle and fine.

    Coarse layers are those of the first two resolutions, middle layers those of the next two,
    as in the StyleGAN paper.

    Raises:
      InputError: If the generator has no layers, or lacks the given ones.
    """
    count = generator.num_layers
    if not count:
        raise InputError(
            f"--mix is for generators with a code per layer, and the {generator.flavour} "
            "has one latent for all"
        )
    resolutions = max(1, round(np.log2(generator.resolution)) - 1)
    ends = [min(count, round(count * n / resolutions)) for n in (0, 2, 4)] + [count]
    parts = dict(zip(LAYERS, zip(ends, ends[1:], strict=False), strict=True))
    sets = {name: tuple(range(*ends)) for name, ends in parts.items() if ends[0] < ends[1]}
    if config.mix_layers is None:
        return sets
    if config.mix_layers in LAYERS:
        if config.mix_layers not in sets:
            raise InputError(
                f"--mix_layers={config.mix_layers}: images of {generator.resolution} pixels "
                f"have only {', '.join(sets)} layers"
            )
        return {config.mix_layers: sets[config.mix_layers]}
    return {"layers": sefa.select_layers(config.mix_layers, count)}


def mix(output: Output) -> list[Path] | None:
    """Write one table of mixed styles per set of layers; results are as for ``walk``.

    Rows are samples 0 to R - 1 and columns samples R to R + C - 1.
    """
    config, source, folder = output.config, output.source, output.place
    generator = source.images("--mix")
    sets = layer_sets(config, generator)
    rows, columns = table(config.mix or "")
    with output.run(folder) as run:
        paths = [folder / f"mix_{name}.png" for name in sets]
        if run.summary() and all(path.exists() for path in paths):
            return None
        z = sampling.latents(config.seed, 0, rows + columns, source.dim)
        codes = generator.codes(z, config.truncation)
        mixtures = [sefa.mix(codes[:rows], codes[rows:], layers) for layers in sets.values()]
        parts = [codes, *(x.reshape(-1, *codes.shape[1:]) for x in mixtures)]
        every = np.concatenate([np.asarray(part) for part in parts])
        pictures = _images(source, generator, len(every), every.__getitem__, output.check)
        images = np.stack([_reduced(image) for image in pictures])
        own, tables = images[: rows + columns], images[rows + columns :]
        blank = np.full_like(images[:1], 255)
        for path, (name, layers), cells in zip(
            paths, sets.items(), np.split(tables, len(sets)), strict=True
        ):
            cells = cells.reshape(rows, columns, *images.shape[1:])
            lines = [np.concatenate([own[i : i + 1], cells[i]]) for i in range(rows)]
            page = np.concatenate([blank, own[rows:], *lines])
            what = f"{name} layers" if name in LAYERS else name
            title = f"{what} {sefa.spell_layers(layers)} from columns, the others from rows"
            width = images.shape[1] * (columns + 1)
            scale = max(1, -(-_TITLE // width))
            raster.image_grid(path, page, title, columns=columns + 1, scale=scale)
        run.finish({"files": [path.name for path in paths], "layers": sets})
    return paths


def _reduced(image: np.ndarray) -> np.ndarray:
    if len(image) <= TABLE_SIDE:
        return image
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    small = picture.resize((TABLE_SIDE, TABLE_SIDE), Image.Resampling.BOX)
    return np.asarray(small).reshape(TABLE_SIDE, TABLE_SIDE, -1)
