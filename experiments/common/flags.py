"""The command line that all laboratories share: flags, start and exit codes."""

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

COMPLETION = "--completion"  # alone: list the flags, for ``python -m experiments``


@dataclasses.dataclass(frozen=True)
class Shared:
    """Flags of every laboratory.

    Attributes:
      out: Folder of all runs. A run goes to OUT/LABORATORY/NAME.
      name: Name of the run's folder; by default it is made from the settings.
      fresh: Start over and delete the files of an earlier run.
      dry_run: Print the settings and what would be written, without training.
      devices: Number of devices to use; by default all. Devices share the lanes (runs); if
        there are fewer lanes than devices, they share each batch of images. CPU cores share
        batches only if this flag is given.
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
      experiment: The laboratory's name, which begins every error message.
      doc: Text at the beginning of the help.
      shared: Defaults of the shared flags.
      texts: Help texts that replace those of shared flags.
      without: Shared flags that this laboratory does not have.
      trains_images: Whether it has the flags of ``process.MachineFlags``.
      arguments: Largest number of positional arguments.
    """

    def __init__(
        self,
        experiment: str,
        doc: str | None,
        *,
        shared: Shared = Shared(),  # noqa: B008 (frozen)
        texts: Mapping[str, str] | None = None,
        without: Collection[str] = (),
        trains_images: bool = False,
        arguments: int = 0,
    ):
        self.experiment, self.doc, self.without = experiment, doc, without
        self.values = flags.FlagValues()
        flags.DEFINE_bool("help", None, "Show this text.", self.values, module_name="this run")
        self.choices: dict[str, list[str]] = {}  # values of flags, for completion
        self._defaults, self._most = shared, arguments
        self.arguments: list[str] = []  # positional arguments, once they are parsed
        self._read = self.define(Shared, dataclasses.asdict(shared), texts)
        self._trains_images = trains_images
        self._read_machine = self.define(process.MachineFlags) if trains_images else dict
        self._open = contextlib.ExitStack()  # closed when the command ends

    @property
    def shared(self) -> Shared:
        """The shared flags, once they are parsed."""
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
          config: As in ``fields.define``, like ``defaults``, ``texts`` and ``options``.
          defaults: Defaults to show in the help.
          texts: Help texts that replace those of the docstring.
          choices: Values of flags, for completion in a shell.
          **options: Further arguments of ``fields.define``.
        """
        self.choices |= {name: list(each) for name, each in (choices or {}).items()}
        return fields.define(self.values, config, defaults, texts, **options)

    def start(self) -> Mesh | None:
        """Set up JAX as ``process.start`` does; call it before any use of JAX arrays."""
        self._open.callback(devices.limit, None)
        several = self._machine if self._trains_images else None
        return process.start(self.shared.devices, several)

    @property
    def stream(self) -> bool | None:
        """Whether data stay on the host; None if the flag is not given."""
        return self._machine.stream

    @property
    def _machine(self) -> process.MachineFlags:
        return process.MachineFlags(**self._read_machine())

    def run_directory(self, default_name: str) -> Path:
        """Return the run's folder ``<out>/<experiment>/<name>``, or this process's copy of it.

        Raises:
          InputError: If ``--name`` is not a plain folder name, or ``--fresh`` would delete an
            input of the command.
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
        """Check that ``--fresh`` would not delete an input of the command.

        Raises:
          InputError: If an input lies inside the run's folder.
        """
        if not self.shared.fresh:
            return
        home = directory.resolve()
        names = sorted(self.values.flag_values_dict().keys() - {"out", "name"})
        inputs = {f"--{name}": self.values[name].value for name in names}
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
        """Parse the flags and run the command; report an error in one line.

        Args:
          command: Function to run. Its argument is a function to call where it is safe to
            stop, which raises ``Stopped`` after a signal.
          argv: The flags; by default those of the process.

        Returns:
          The exit code. 0: done. 1: the run cannot continue. 2: bad input (nothing was
          written), or a file cannot be written (saved files stay). 130 and 143: stopped by
          Ctrl-C or SIGTERM, after saving. 141: the reader of the output went away early.
        """
        try:
            return processes.end(self._run(command, argv))
        except Exception:
            processes.crash()
            raise

    def _run(
        self, command: Callable[[Callable[[], None]], None], argv: Sequence[str] | None
    ) -> int:
        logging.set_verbosity(logging.WARNING)  # orbax logs every step of a save
        words = sys.argv[1:] if argv is None else argv
        if list(words) == [COMPLETION]:
            return self._tell(lambda: help.listing(self.values, self.choices))
        try:
            rest = self.values([self.experiment, *words])[1:]
        except (
            flags.Error,
            OSError,
            UnicodeDecodeError,
        ) as error:  # the last two: from --flagfile
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
                cache.warn_once(),
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
        except BrokenPipeError:  # for instance --dry_run | head
            process.close_output()
            if not (done or self.shared.dry_run):  # for instance 2>&1 | head
                return 128 + signal.SIGPIPE
        except OSError as error:
            if error.errno not in process.UNWRITABLE or error.filename is None:
                return self._fail(error, 1)
            parts = [f"cannot write {error.filename}: {error.strerror}"]
            parts += getattr(error, "__notes__", [])
            return self._fail(
                "; ".join([*parts, "fix this, then run the same command to resume"]), 2
            )
        except (ValueError, jax.errors.JaxRuntimeError) as error:
            if not processes.connection_lost(error):
                raise
            text = "another process has ended; start all of them again to resume"
            return self._fail(f"{text} ({str(error).partition(chr(10))[0][:200]})", 1)
        except runs.Stopped as error:
            parts = getattr(error, "__notes__", ["run the same command to resume"])
            processes.fail("; ".join([f"{self.experiment}: {error}", *parts]))
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
        """Print a text about the flags of this laboratory."""
        for name in self.without:
            delattr(self.values, name)
        try:
            print(make(), flush=True)
        except BrokenPipeError:  # for instance --help | head
            process.close_output()
        return 0


def show_plan(configs: Mapping[Path, Any]) -> None:
    """Print the configuration of every folder as JSON, for ``--dry_run``."""
    plan = {str(folder): dataclasses.asdict(config) for folder, config in configs.items()}
    print(json.dumps(plan, indent=1))
