"""Faces: DCGAN trained as a GAN and as a WGAN-GP, side by side.

    python -m experiments.faces --variant=gan,wgan_gp --epochs=5
    python -m experiments.faces --data=FOLDER_OR_ARCHIVE --variant=gan,wgan_gp --epochs=30
    python -m experiments.faces --recipe=report_d_gan --data=FOLDER_OR_ARCHIVE

Without ``--data`` the faces are cartoons drawn from known factors. Images are cut to
centred squares of ``--size`` pixels and packed once; those that cannot be read are listed
in ``skipped.txt``. Report D's networks are ``--width=64``; the default of 32 is for a CPU.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags as absl_flags

from experiments import flags, images, loop, training_flags
from experiments.training import Defaults, Recipe, recipe_of
from experiments.training_flags import Flags
from jaxgan import plots, runs
from jaxgan.convert import inception as convert_inception
from jaxgan.data import cartoon_faces, image_folder
from jaxgan.errors import InputError
from jaxgan.metrics import colour, frechet, pyramid
from jaxgan.networks import inception
from jaxgan.networks.dcgan import SIZES

CARTOONS = 10_000
COMPARED_EPOCHS = (6, 22, 26, 30)  # the report's
MEASURED = 1000

DEFAULTS = Defaults(
    common={
        "variant": ("gan",),
        "optimizer": "adam",
        "schedule": "constant",
        "betas": (0.5, 0.999),
        "critic_steps": 1,
        "ema": 0.99,
        "latent_dim": 100,
        "batch_size": 32,
        "epochs": 30,
        "data": "cartoons",
        "seed": 0,
        "seeds": 1,
        "frame_every": 1,
        "checkpoint_every": 1,
        "model": ("dcgan",),
        "size": 64,
        "width": 32,
        "norm": "batch",
    },
    by_optimizer={
        "sgd": {"learning_rate": (1e-2,)},
        "adam": {"learning_rate": (2e-4,)},
        "rmsprop": {"learning_rate": (1e-4,)},
        "optimistic_adam": {"learning_rate": (2e-4,)},
    },
    by_variant={"wgan": {"optimizer": "rmsprop", "learning_rate": (5e-5,)}},
)
_REPORT_D = {"batch_size": 512, "epochs": 30, "latent_dim": 200, "width": 64, "size": 64}
RECIPES = {
    # The report sums its losses over the batch and halves the critic's; here they are
    # means, so the rates are 512 times the report's 0.005, and half of that.
    "report_d_gan": Recipe(
        _REPORT_D
        | {
            "variant": ("gan",),
            "optimizer": ("sgd",),
            "learning_rate": (512 * 0.005,),
            "critic_learning_rate": 512 * 0.005 / 2,
        }
    ),
    # The report's text. Its listing is --variant=gan --penalty=gradient beside this recipe.
    "report_d_wgan_gp": Recipe(
        _REPORT_D
        | {
            "variant": ("wgan_gp",),
            "optimizer": ("adam",),
            "learning_rate": (0.001,),
            "betas": (0.5, 0.999),
            "penalty_weight": (10.0,),  # ours: the paper's
            "critic_steps": 1,  # ours
        }
    ),
}
FLAGS = Flags(
    texts={
        "data": "Folder, tar or zip of images; cartoons are drawn.",
        "norm": "Of the generator: batch, layer or none.",
        "critic_norm": "Of the critic; by default batch, or none with a penalty.",
    },
    integer={
        "size": f"Pixels along a side: {', '.join(map(str, SIZES))}.",
        "width": "Channels of the stage nearest to the image; 64 in the report.",
        "train_size": "Images to train on, the first ones; by default all.",
    },
)


def load(source: str, size: int) -> tuple[images.Dataset, tuple[tuple[str, str], ...]]:
    """The images, and what was skipped: (name, reason)."""
    if size not in SIZES:
        raise InputError(f"--size={size}: the networks make {', '.join(map(str, SIZES))}")
    if source == "cartoons":
        faces = cartoon_faces.load(CARTOONS, size=size)
        return images.Dataset(faces.images, f"cartoons-{CARTOONS}-{size}"), ()
    packed = image_folder.pack(source, size)
    return images.Dataset(packed.images, packed.key), packed.skipped


def finish(
    dataset: images.Dataset, features: Callable[[np.ndarray], np.ndarray] | None = None
) -> images.Finish:
    """Measures of every lane's samples against the data.

    Without ``features`` no trained network takes part. With those of the FID's
    Inception-v3 it is ``fid``, of ``MEASURED`` images only: compare at one number.
    """

    def measure(config, program, state, directory):
        count = min(MEASURED, config.train_size // 2)
        rng = np.random.default_rng(config.seed)
        chosen = rng.permutation(config.train_size)[: 2 * count]
        real, other = np.split(np.asarray(dataset.images[np.sort(chosen)]), 2)
        made = images.generate(program, state, images.fixed_latents(config, count, 2))
        real_features = features(real) if features else None
        rows = []
        for lane in made:
            distances = pyramid.laplacian_sliced_wasserstein(real, lane)
            hues = colour.hue_entropy(lane)
            rows.append(
                {f"swd_{side}": value for side, value in distances.items()}
                | {"hue_bits": hues.images, "hue_bits_pixels": hues.pixels}
            )
            if features and real_features is not None:
                rows[-1]["fid"] = frechet.frechet_distance(real_features, features(lane))
        by_lane = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        floor = pyramid.laplacian_sliced_wasserstein(real, other)
        real_hues = colour.hue_entropy(real)
        return by_lane | {
            "floor": {f"swd_{side}": value for side, value in floor.items()}
            | {"hue_bits": real_hues.images, "hue_bits_pixels": real_hues.pixels}
        }

    return measure


def compare(folders: dict[Path, images.Config], directory: Path) -> None:
    """Draw programs side by side at the report's epochs, and their training as one GIF."""
    last = min(config.epochs for config in folders.values())
    epochs = [epoch for epoch in COMPARED_EPOCHS if epoch <= last]
    if len(epochs) < len(COMPARED_EPOCHS):
        epochs = sorted({int(x) for x in np.linspace(1, last, min(4, last))})
    panels = {}
    for folder, config in folders.items():
        for epoch in epochs:
            path = images.samples_path(folder, epoch)
            if path.exists():
                with np.load(path) as file:
                    panels[config.variant, f"epoch {epoch}"] = file["images"][:16]
    plots.image_panels(
        directory / "side_by_side.png", panels, "the same latents, as they learn"
    )
    frames = []
    for epoch in range(last + 1):
        paths = [images.samples_path(folder, epoch) for folder in folders]
        if all(path.exists() for path in paths):
            row = {}
            for path, config in zip(paths, folders.values(), strict=True):
                with np.load(path) as file:
                    row["", config.variant] = file["images"][:36]
            frame = directory / "frames" / f"epoch_{epoch:04d}.png"
            plots.image_panels(frame, row, f"epoch {epoch}", columns=6, scale=1)
            frames.append(frame)
    if frames:
        plots.gif(directory / "side_by_side.gif", frames)


def main() -> None:
    """Run from the command line."""
    read = training_flags.define(DEFAULTS, RECIPES, FLAGS)
    inception_flag = absl_flags.DEFINE_string(
        "inception", None, "File of the FID's Inception-v3 weights; measures the FID too."
    )

    def command(check: Callable[[], None]) -> None:
        given: dict[str, Any] = {k: v for k, v in read().items() if v is not None}
        name = training_flags.default_name(read(), DEFAULTS.common["variant"])
        directory = flags.run_directory("faces", name)
        recipe = recipe_of(given.pop("recipe", None), RECIPES)
        settings = {**DEFAULTS.common, **recipe.settings, **given}
        weights = inception_flag.value and convert_inception.load(inception_flag.value)
        dataset, skipped = load(settings["data"], settings["size"])
        configs = images.configure(DEFAULTS, recipe, given, dataset)
        folders = images.folders_of(configs, directory)
        if flags.DRY_RUN.value:
            images.check_folders(folders, directory, dataset, fresh=flags.FRESH.value)
            flags.show_plan(folders)
            return
        flags.start_jax()
        features = inception.extractor(weights) if weights else None

        def measured(config, program, state, folder):
            if skipped:
                lines = [f"{file}: {reason}\n" for file, reason in skipped]
                runs.write_text(folder / "skipped.txt", "".join(lines))
            return finish(dataset, features)(config, program, state, folder)

        if skipped:
            loop.say(f"{len(skipped)} files are not readable images: see skipped.txt")
        summaries = images.run_all(
            configs,
            directory,
            dataset,
            finish=measured,
            fresh=flags.FRESH.value,
            tensorboard=flags.TENSORBOARD.value,
            check=check,
        )
        if len(folders) > 1:
            compare(folders, directory)
        images.show(summaries)
        print(directory)

    flags.main("faces", command)


if __name__ == "__main__":
    main()
