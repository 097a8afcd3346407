"""Format the help of a command, with flags grouped by purpose."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from absl import flags


class Purpose(NamedTuple):
    """A group of flags with a common purpose.

    Attributes:
      examples: Examples for the heading; the first whose flags a command has is shown.
      names: Names of the flags, separated by spaces.
    """

    examples: tuple[str, ...]
    names: str


OTHER = "other flags"
PURPOSES = {
    "what to train": Purpose(
        ("--variant=gan,wgan_gp --seeds=8", "--only=A1,C3 --seeds=8"),
        "recipe variant optimizer learning_rate critic_learning_rate betas schedule penalty "
        "penalty_weight clip critic_steps batch_size epochs epoch_size ema pack augment flip "
        "conditional seeds study scale only",
    ),
    "what to make": Purpose(
        ("--count=50000 --seed=1", "--walk --truncation=0.7"),
        "walk stops fps mix mix_layers neighbours nearest",
    ),
    "data": Purpose(
        ("--data=points.csv --columns=x,y", "--data=FOLDER", "--size=64"),
        "data data_key columns standardize train_size class_names size",
    ),
    "networks": Purpose(
        ("--generator_widths=64,64", "--width=64"),
        "model width critic_width generator_widths critic_widths norm critic_norm latent "
        "latent_dim precision",
    ),
    "generator": Purpose(
        ("--checkpoint=runs/faces/RUN", "--weights=average"),
        "checkpoint weights lane epoch settings truncation truncation_layers",
    ),
    "people to show": Purpose(
        ("--samples=10 --seed=7", "--like=genforce --seed=7"),
        "samples codes space label labels photo noalign photo_steps keep_photo",
    ),
    "directions": Purpose(
        ("--layers=0-3 --directions=5",),
        "layers directions like normalisation to_rgb whiten least_spread directions_file names "
        "distance unit steps supervised supervised_samples condition",
    ),
    "measures and pictures": Purpose(
        ("--attributes", "--fid=10000", "--frame_every=5", "--size=512"),
        "frame_every modes fid fid_every fid_convention inception traverse traverse_by "
        "attributes attribute_samples attribute_data attribute_labels attribute_eyes eyes "
        "likeness tensorboard wandb aim export",
    ),
    "this run": Purpose(
        ("--name=mine --fresh", "--out=claims"),
        "out name fresh dry_run checkpoint_every seed live help",
    ),
    "this machine": Purpose(
        ("--devices=2", "--port=7000"),
        "devices batch_images stream coordinator num_processes process_id port",
    ),
}


def purpose_of(flag: str) -> str:
    """Return the heading of a flag."""
    names = {name: heading for heading, each in PURPOSES.items() for name in each.names.split()}
    return names.get(flag, OTHER)


def text(doc: str, values: flags.FlagValues) -> str:
    """Return the help of a command: its text, then its flags by purpose."""
    sections = [doc]
    for heading, names in _by_purpose(values).items():
        body = values.module_help(heading).removeprefix(f"\n{heading}:")
        sections.append(f"{_title(heading, names)}:{body}\n")
    sections.append(_FILES)
    return "\n".join(sections)


def listing(values: flags.FlagValues, choices: Mapping[str, Collection[str]]) -> str:
    """Return one line per flag for completion in a shell: the flag and its values."""
    lines = []
    for name in sorted(name for names in _by_purpose(values).values() for name in names):
        flag = f"--{name}" if values[name].boolean else f"--{name}="
        lines.append(" ".join([flag, *choices.get(name, ())]))
    return "\n".join(lines)


_FILES = """\
--flagfile=FILE reads flags from a file, one per line; lines that begin with # are comments.
Flags after it override those in the file."""


def _by_purpose(values: flags.FlagValues) -> dict[str, list[str]]:
    """Return the defined flags by heading."""
    headings = {}
    for heading in (*PURPOSES, OTHER):
        flags_of = values.get_key_flags_for_module(heading)
        if names := [flag.name for flag in flags_of if flag.name in values]:
            headings[heading] = names
    return headings


def _title(heading: str, names: Collection[str]) -> str:
    """Return a heading with an example of its flags."""
    for example in PURPOSES[heading].examples if heading in PURPOSES else ():
        words = (word.removeprefix("--").partition("=")[0] for word in example.split())
        if all(word in names for word in words):
            return f"{heading}, such as {example}"
    return heading
