"""What every laboratory's command line shares: flags, start, and how it ends."""

import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import flags, logging
from jax.sharding import Mesh

from experiments.common import fields, help, process
from jaxgan import runs
from jaxgan.errors import InputError
from jaxgan.runs import cache, processes
from jaxgan.training import devices

COMPLETION = "--completion"  # in place of all flags: print them for ``python -m experiments``


@dataclasses.dataclass(frozen=True)
class Shared:
    """Flags of every laboratory.

    Attributes:
      out: Folder that holds all runs.
      name: Name of the run's folder; by default made from the settings.
      fresh: Start over, deleting the files of an earlier run.
      dry_run: Print the settings and what would be written; train nothing.
      devices: Devices to use; by default all. They share the lanes, or, if they are more than
        the lanes, each batch of images; but cores of a CPU share batches only where this flag
        says so.
    """

    out: str = "runs"
    name: str | None = None
    fresh: bool = False
    dry_run: bool = False
    devices: int | None = None


class CommandLine:
    """The command line of a laboratory: ``define`` its flags, then ``run`` it.

    Flags belong to the object, so that one process may run several commands.

    Args:
      experiment: The laboratory's name, with which errors begin.
      doc: The beginning of the help text.
      shared: Defaults of the shared flags.
      texts: Help texts of shared flags, where they differ.
      without: Shared flags that have no meaning here.
      arguments: How many words it takes that are no flags.
      trains_images: Whether it has the flags of ``process.MachineFlags``.
    """

    def __init__(
        self,
        experiment: str,
        doc: str | None,
        *,
        shared: Shared = Shared(),  # noqa: B008 (it is frozen)
        texts: Mapping[str, str] | None = None,
        without: Collection[str] = (),
        trains_images: bool = False,
        arguments: int = 0,
    ):
        self.experiment, self.doc, self.without = experiment, doc, without
        self.values = flags.FlagValues()
        flags.DEFINE_bool("help", None, "Show this text.", self.values, module_name="this run")
        self.choices: dict[str, list[str]] = {}  # values of a flag that a shell may complete
        self._defaults, self._most = shared, arguments
        self.arguments: list[str] = []  # words that are no flags, once they are parsed
        self._read = self.define(Shared, dataclasses.asdict(shared), texts)
        self._trains_images = trains_images
        self._read_machine = self.define(process.MachineFlags) if trains_images else dict
        self._open = contextlib.ExitStack()  # until the command ends

    @property
    def shared(self) -> Shared:
        """The flags of every laboratory, once they are parsed."""
        return dataclasses.replace(self._defaults, **self._read())

    def define(
        self,
        config: type,
        defaults: Mapping[str, Any] | None = None,
        texts: Mapping[str, str] | None = None,
        choices: Mapping[str, Collection[str]] | None = None,
        **options: Any,
    ) -> Callable[[], dict[str, Any]]:
        """Define a flag for every field of a dataclass, as ``fields.define`` does.

        Args:
          config: As ``fields.define`` takes it, and what follows.
          defaults: As well.
          texts: As well.
          choices: Values of a flag that a shell may complete.
          **options: As well.
        """
        self.choices |= {name: list(each) for name, each in (choices or {}).items()}
        return fields.define(self.values, config, defaults, texts, **options)

    def start(self) -> Mesh | None:
        """Set JAX up, as ``process.start`` does; call it before JAX makes an array."""
        self._open.callback(devices.limit, None)
        several = self._machine if self._trains_images else None
        return process.start(self.shared.devices, several)

    @property
    def stream(self) -> bool | None:
        """Whether data are to stay on the host, if it is said."""
        return self._machine.stream

    @property
    def _machine(self) -> process.MachineFlags:
        return process.MachineFlags(**self._read_machine())

    def run_directory(self, default_name: str) -> Path:
        """The run's folder: ``<out>/<experiment>/<name>``, or another process's copy of it.

        Raises:
          InputError: If ``--name`` is not the name of one folder, or ``--fresh`` would clear
            a folder that holds an input.
        """
        out, name = self.shared.out, self.shared.name
        name = default_name if name is None else name
        if not out or not out.isprintable():
            raise InputError(f"--out={out!r} must be the name of a folder")
        if name in ("", ".", "..") or Path(name).name != name or not name.isprintable():
            raise InputError(f"--name={name!r} must be a plain folder name")
        directory = Path(out) / self.experiment / name
        self.check_inputs(directory)
        if self.shared.dry_run:
            return directory
        mirrored = processes.mirrored(directory, fresh=self.shared.fresh)
        return self._open.enter_context(mirrored)

    def check_inputs(self, directory: Path) -> None:
        """Refuse ``--fresh`` where an input of the command lies inside the run's folder.

        Raises:
          InputError: If one does.
        """
        if not self.shared.fresh:
            return
        home = directory.resolve()
        given = sorted(self.values.flag_values_dict().keys() - {"out", "name"})
        inputs = {f"--{name}": self.values[name].value for name in given}
        inputs["$JAXGAN_DATA"] = os.environ.get("JAXGAN_DATA")
        other = "--out" if "name" in self.without else "--name"
        for name, value in [*inputs.items(), ("", self.arguments)]:
            for text in value if isinstance(value, list) else [value]:
                if not isinstance(text, str) or not os.path.exists(text):
                    continue
                if Path(text).resolve().is_relative_to(home):
                    raise InputError(
                        f"{name}{'=' * bool(name)}{text} lies inside {directory}, which "
                        f"--fresh clears; move it, or give another {other}"
                    )

    def run(
        self, command: Callable[[Callable[[], None]], None], argv: Sequence[str] | None = None
    ) -> int:
        """Parse the flags, run the command, and say in one line why it failed.

        Args:
          command: Gets a function to call where it is safe to stop; that raises
            ``Stopped`` if a signal has come.
          argv: The flags; by default those of the process.

        Returns:
          The exit code. 2: bad input, nothing was written, or no way to write, what was saved
          stays. 1: the run could not go on.
          143 and 130: stopped by SIGTERM or Ctrl-C, after saving. 141: the reader of the
          output is gone before the run is complete.
        """
        try:
            return processes.end(self._run(command, argv))
        except Exception:
            processes.crash()
            raise

    def _run(
        self, command: Callable[[Callable[[], None]], None], argv: Sequence[str] | None
    ) -> int:
        logging.set_verbosity(logging.WARNING)  # orbax tells every step of a save
        words = sys.argv[1:] if argv is None else argv
        if list(words) == [COMPLETION]:
            return self._tell(lambda: help.listing(self.values, self.choices))
        try:
            rest = self.values([self.experiment, *words])[1:]
        except (flags.Error, OSError, UnicodeDecodeError) as error:  # or of --flagfile
            return self._fail(error, 2)
        if self.values["help"].value:
            return self._tell(lambda: help.text(self.doc or "", self.values))
        done = False
        try:
            self.arguments, rest = rest[: self._most], rest[self._most :]
            if rest:
                raise InputError(f"unexpected argument {rest[0]!r}; flags are --name=value")
            for name in self.without:
                if self.values[name].present:
                    raise InputError(f"--{name} has no meaning here")
            process.check(self.shared.devices)
            with (
                runs.deferred_signals() as check,
                cache.unkept_programs_said(),
                process.float32(),
                self._open,
            ):
                command(check)
                done = True
                sys.stdout.flush()
        except InputError as error:
            return self._fail(error, 2)
        except runs.Diverged as error:
            return self._fail(error, 1)
        except BrokenPipeError:  # such as of --dry_run | head
            process.close_output()
            if not (done or self.shared.dry_run):  # such as of 2>&1 | head
                return 128 + signal.SIGPIPE
        except OSError as error:
            if error.errno not in process.UNWRITABLE or error.filename is None:
                return self._fail(error, 1)
            told = [f"cannot write {error.filename}: {error.strerror}"]
            told += getattr(error, "__notes__", [])
            return self._fail(
                "; ".join([*told, "the same command goes on once that is mended"]), 2
            )
        except (ValueError, jax.errors.JaxRuntimeError) as error:
            if not processes.lost(error):
                raise
            text = "another process is gone; start all of them again, and they go on"
            return self._fail(f"{text} ({str(error).partition(chr(10))[0][:200]})", 1)
        except runs.Stopped as error:
            told = getattr(error, "__notes__", ["the same command goes on"])
            processes.fail("; ".join([f"{self.experiment}: {error}", *told]))
            return runs.leave(error.code)
        except KeyboardInterrupt:
            processes.fail(f"{self.experiment}: stopped at once")
            return runs.leave(130)
        return 0

    def _fail(self, message: object, code: int) -> int:
        line = " ".join(str(message).split())
        processes.fail(f"{self.experiment}: error: {line}")
        return code

    def _tell(self, make: Callable[[], str]) -> int:
        """Print a text about the flags that have a meaning here."""
        for name in self.without:
            delattr(self.values, name)
        try:
            print(make(), flush=True)
        except BrokenPipeError:  # such as of --help | head
            process.close_output()
        return 0


def show_plan(configs: Mapping[Path, Any]) -> None:
    """Print every folder's configuration, a dataclass, for ``--dry_run``."""
    plan = {str(folder): dataclasses.asdict(config) for folder, config in configs.items()}
    print(json.dumps(plan, indent=1))
