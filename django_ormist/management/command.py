"""The base of the ormist_ commands: arguments, errors, progress."""

import io
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from ..connections import connections
from ..connections.replica_reads import from_primary
from ..exceptions import OrmistError
from ..models import Model, registry

EXIT_INTERRUPTED = 130
"""The exit code after Ctrl-C."""

EXIT_CLOSED = 141
"""The exit code after the output was closed, as by ``| head``."""


class CommandLine(BaseCommand):
    """A command that handles closed and limited output as other programs do."""

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from a command line, and exit quietly if the output is closed early.

        Escape characters that the output's encoding lacks.
        """
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            super().run_from_argv(argv)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes once more at exit, which would raise again.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nowhere, stream.fileno())
            sys.exit(EXIT_CLOSED)


class OrmistCommand(CommandLine):
    """A command over one model or all. An error ends it with one clear line.

    Exit codes: 0 done, 1 an error or a refusal, 2 a wrong option, 130 interrupted.
    """

    requires_system_checks = ("ormist",)
    resume = "Run the same command again to go on."
    using_help = "The alias of settings.ORMIST. Without it: each model's own."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "model",
            nargs="?",
            metavar="app_label.Model",
            help="The model; one outside any app is named Model alone.",
        )
        parser.add_argument("--using", metavar="ALIAS", help=self.using_help)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            check_alias(options.get("using"))
            with from_primary():
                self.run_command(**options)
        except CommandError as error:
            raise CommandError(
                escape_controls(str(error)), returncode=error.returncode
            ) from error.__cause__
        except KeyboardInterrupt as error:
            raise CommandError(
                escape_controls(f"Interrupted. {self.resume}"),
                returncode=EXIT_INTERRUPTED,
            ) from error
        except (OrmistError, RedisError) as error:
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            raise CommandError(escape_controls(f"{error}{notes}")) from error

    def run_command(self, **options: Any) -> None:
        """Run the command. Raises CommandError, OrmistError or RedisError."""
        raise NotImplementedError  # pragma: no cover


def check_alias(alias: str | None) -> None:
    """Raise ImproperlyConfigured if --using names an alias that does not exist."""
    if alias is not None:
        _ = connections[alias]


def find_model(label: str) -> type[Model]:
    """Return the registered model of this label. Raises CommandError with a hint."""
    try:
        return registry.get_model(label)
    except LookupError as error:
        raise CommandError(
            f"{error.args[0]} A model is registered when its module is imported: "
            "name its app in INSTALLED_APPS."
        ) from error


def find_models(label: str | None) -> list[type[Model]]:
    """Return the model of this label, or all registered models for None."""
    return registry.all_models() if label is None else [find_model(label)]


def safe_url(alias: str) -> str:
    """Return the URL of an alias without user and password."""
    return connections[alias].endpoint.safe_url


def printable(text: str) -> str:
    """Return *text* for a line of a terminal: escaped if it has control characters."""
    return text if text.isprintable() else repr(text)


def escape_controls(text: str) -> str:
    """Return *text* with control characters escaped, except line breaks."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else repr(each)[1:-1]
        for each in text
    )


def create_file(
    path: Path,
    encoding: str = "ascii",
    errors: str = "strict",
    fix: str = "Remove it, or choose another name.",
) -> IO[str]:
    """Create a file that only this user can read. Raises CommandError if it exists.

    An existing file is never written to, not even through a link.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{path} exists. {fix}") from error
    except (OSError, ValueError) as error:
        raise CommandError(f"Cannot write {path}: {error}") from error
    return os.fdopen(descriptor, "w", encoding=encoding, errors=errors)


def pluralize(number: int, noun: str) -> str:
    """Return ``1 object``, ``2 objects``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def align_columns(
    rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()
) -> list[str]:
    """Return the rows as lines of aligned columns, *numeric* ones to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


class Progress:
    """A line on a terminal that shows progress. It is not written to a pipe.

    It leaves an empty line for the next output. to_errors: write to standard error,
    for commands whose output is read by programs.
    """

    EVERY = 0.1
    """Seconds between two updates, because frequent writes to a terminal are slow."""

    def __init__(
        self, command: BaseCommand, verbosity: int, to_errors: bool = False
    ) -> None:
        self._out = command.stderr if to_errors else command.stdout
        self._is_shown = verbosity > 0 and self._out.isatty()
        self._shown_at = 0.0
        self._width = 0

    def show(self, text: str) -> None:
        """Replace the text on the terminal."""
        if self._is_shown and time.monotonic() - self._shown_at >= self.EVERY:
            self._write(text)
            self._shown_at = time.monotonic()

    def clear(self) -> None:
        """Remove the line."""
        if self._width:
            self._write("")
            self._out.write("\r", ending="")

    def _write(self, text: str) -> None:
        self._out.write("\r" + text.ljust(self._width), ending="")
        self._out.flush()
        self._width = len(text)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()


class Rate:
    """The progress of an operation: the number done, the rate, the time left."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._began = time.monotonic()

    def count(self, number: int) -> None:
        """Add to the number done."""
        self.done += number

    def text(self, noun: str) -> str:
        """Return ``1200 of 5000 objects, 400 a second, 10 s left``."""
        total = max(self.total, self.done)
        seconds = time.monotonic() - self._began
        text = f"{self.done} of {total} {noun}"
        if seconds < 1 or not self.done:
            return text
        rate = self.done / seconds
        left = format_duration((total - self.done) / rate)
        return f"{text}, {rate:.0f} a second, {left} left"


def format_duration(seconds: float) -> str:
    """Return a duration for people: ``12 s``, ``3 min``, ``2.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
