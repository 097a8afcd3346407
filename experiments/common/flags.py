"""What every experiment's command line shares: flags, start, and how it ends."""

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import app, flags, logging

from jaxgan import runs
from jaxgan.errors import InputError

OUT = flags.DEFINE_string("out", "runs", "Folder that holds all runs.")
NAME = flags.DEFINE_string(
    "name", None, "Name of the run's folder; by default made from the settings."
)
FRESH = flags.DEFINE_bool("fresh", False, "Start over, deleting an earlier run.")
DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Print the settings and what would be written; train nothing."
)
TENSORBOARD = flags.DEFINE_bool(
    "tensorboard", False, "Also write the numbers and pictures for TensorBoard."
)


def numbers(
    name: str, texts: Sequence[str] | None, *, whole: bool = False
) -> tuple[Any, ...] | None:
    """Parse the values of a list flag.

    Args:
      name: Of the flag.
      texts: Its values, or ``None`` if it was not given.
      whole: Take integers only.

    Raises:
      InputError: If one is not a number.
    """
    if texts is None:
        return None
    try:
        return tuple((int if whole else float)(text) for text in texts)
    except ValueError as error:
        kind = "whole numbers" if whole else "numbers"
        raise InputError(f"--{name}={','.join(texts)} is not a list of {kind}") from error


def run_directory(experiment: str, default_name: str) -> Path:
    """Where the run goes: ``<out>/<experiment>/<name>``.

    Raises:
      InputError: If ``--name`` is not the name of one folder.
    """
    name = default_name if NAME.value is None else NAME.value
    if not OUT.value or not OUT.value.isprintable():
        raise InputError(f"--out={OUT.value!r} must be the name of a folder")
    if name in ("", ".", "..") or Path(name).name != name or not name.isprintable():
        raise InputError(f"--name={name!r} must be a plain folder name")
    return Path(OUT.value) / experiment / name


def show_plan(configs: Mapping[Path, Any]) -> None:
    """Print the configuration, a dataclass, of every folder: what ``--dry_run`` is for."""
    plan = {str(folder): dataclasses.asdict(config) for folder, config in configs.items()}
    print(json.dumps(plan, indent=1))


def main(
    experiment: str,
    run: Callable[[Callable[[], None]], None],
    without: Sequence[flags.FlagHolder] = (),
) -> None:
    """Parse flags, run, and end with one line and an exit code when it does not go well.

    ``run`` gets a function to call where it is safe to stop: it raises ``Stopped`` if a
    signal has come. Flags ``without`` a meaning here are refused, and not in ``--help``.

    Exit code 2: bad input, nothing was written. 1: the run could not go on. 143 and
    130: stopped by SIGTERM or Ctrl-C, after saving.
    """

    def fail(message: object, code: int) -> NoReturn:
        line = " ".join(str(message).split())
        print(f"{experiment}: error: {line}", file=sys.stderr)
        raise SystemExit(code)

    def parse(argv: list[str]) -> list[str]:
        try:
            return flags.FLAGS(argv)
        except (flags.Error, OSError, UnicodeDecodeError) as error:
            fail(error, 2)

    def guarded(argv: list[str]) -> None:
        try:
            if len(argv) > 1:
                raise InputError(f"unexpected argument {argv[1]!r}; flags are --name=value")
            for flag in without:
                if flag.present:
                    raise InputError(f"--{flag.name} has no meaning here")
            with runs.deferred_signals() as check:
                run(check)
        except InputError as error:
            fail(error, 2)
        except runs.Diverged as error:
            fail(error, 1)
        except OSError as error:
            fail(error, 1)
        except runs.Stopped as error:
            print(f"{experiment}: {error}; the same command goes on", file=sys.stderr)
            raise SystemExit(error.code) from None
        except KeyboardInterrupt:
            print(f"{experiment}: stopped at once", file=sys.stderr)
            raise SystemExit(130) from None

    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        for flag in defined if module.startswith("experiments") else ():  # for --help
            if flag.name not in {x.name for x in without}:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    logging.set_verbosity(logging.WARNING)  # orbax tells every step of a save
    app.run(guarded, flags_parser=parse)


def start_jax() -> None:
    """Set JAX up for a laboratory: before the first array is made.

    Compiled programs are kept on disk, so that the same command starts faster the next
    time, and a CPU counts as one device per core, so that lanes run side by side.
    """
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        jax.config.update("jax_compilation_cache_dir", str(Path(home) / "jaxgan/xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        cores = len(os.sched_getaffinity(0))
    jax.config.update("jax_num_cpu_devices", cores)
