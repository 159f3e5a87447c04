"""What the ormist_ commands share: their arguments, their errors, their progress."""

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
from ..exceptions import OrmistError
from ..models import Model, registry

EXIT_INTERRUPTED = 130
"""What a shell reports of a program that Ctrl-C ended."""

EXIT_CLOSED = 141
"""What a shell reports of one whose output was closed, as by ``| head``."""


class CommandLine(BaseCommand):
    """A command that ends and prints as others on a command line do."""

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from a command line: whoever closes our output early ends us quietly.

        What the output's encoding cannot say is escaped.
        """
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            super().run_from_argv(argv)
            sys.stdout.flush()
        except BrokenPipeError:
            # Python flushes once more at its end, and would complain.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nowhere, stream.fileno())
            sys.exit(EXIT_CLOSED)


class OrmistCommand(CommandLine):
    """A command over one model or all, whose errors end it with one clear line.

    Exit codes: 0 done, 1 an error or a refusal, 130 interrupted.
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
            self.carry_out(**options)
        except CommandError as error:
            raise CommandError(
                escaped(str(error)), returncode=error.returncode
            ) from error.__cause__
        except KeyboardInterrupt as error:
            raise CommandError(
                f"Interrupted. {self.resume}", returncode=EXIT_INTERRUPTED
            ) from error
        except (OrmistError, RedisError) as error:
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
            raise CommandError(escaped(f"{error}{notes}")) from error

    def carry_out(self, **options: Any) -> None:
        """The command itself. Raises CommandError, OrmistError or RedisError."""
        raise NotImplementedError  # pragma: no cover


def model_named(label: str) -> type[Model]:
    """The registered model of this label. Raises CommandError that says the mend."""
    try:
        return registry.get_model(label)
    except LookupError as error:
        raise CommandError(
            f"{error.args[0]} A model is registered when its module is imported: "
            "name its app in INSTALLED_APPS."
        ) from error


def models_named(label: str | None) -> list[type[Model]]:
    """The one model of this label; all registered ones for None."""
    return registry.all_models() if label is None else [model_named(label)]


def place(alias: str) -> str:
    """Where an alias connects to, without user and password."""
    return connections[alias].endpoint.place


def plain(text: str) -> str:
    """*text* as it can stand in a line of a terminal: escaped if it has controls."""
    return text if text.isprintable() else repr(text)


def escaped(text: str) -> str:
    """Return *text* without what a terminal obeys: escaped, but for ends of lines."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else repr(each)[1:-1]
        for each in text
    )


def new_file(
    path: Path,
    encoding: str = "ascii",
    errors: str = "strict",
    fix: str = "Remove it, or choose another name.",
) -> IO[str]:
    """Create a file that only this user can read. Raises CommandError if it exists.

    Nothing that is there is written to, through a link neither.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CommandError(f"{path} exists. {fix}") from error
    except (OSError, ValueError) as error:
        raise CommandError(f"Cannot write {path}: {error}") from error
    return os.fdopen(descriptor, "w", encoding=encoding, errors=errors)


def counted(number: int, noun: str) -> str:
    """``1 object``, ``2 objects``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def aligned(rows: Sequence[Sequence[str]], numeric: Sequence[int] = ()) -> list[str]:
    """The rows as lines of equal columns; those in *numeric* end together."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in numeric else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


class Progress:
    """A line that counts up on a terminal, and nothing at all in a pipe.

    Leaves an empty line behind, so that what is printed next stands alone. to_errors:
    where the output itself is for programs.
    """

    EVERY = 0.1
    """Seconds between two lines: a terminal slows down who writes more often."""

    def __init__(
        self, command: BaseCommand, verbosity: int, to_errors: bool = False
    ) -> None:
        self._out = command.stderr if to_errors else command.stdout
        self._is_shown = verbosity > 0 and self._out.isatty()
        self._shown_at = 0.0
        self._width = 0

    def show(self, text: str) -> None:
        """Show *text* in place of the last one."""
        if self._is_shown and time.monotonic() - self._shown_at >= self.EVERY:
            self._write(text)
            self._shown_at = time.monotonic()

    def clear(self) -> None:
        """Take the line away."""
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
    """How far something is, how fast it goes, and how long it will take."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._began = time.monotonic()

    def count(self, number: int) -> None:
        """So many more are done."""
        self.done += number

    def text(self, noun: str) -> str:
        """``1200 of 5000 objects, 400 a second, 10 s left``."""
        total = max(self.total, self.done)
        seconds = time.monotonic() - self._began
        text = f"{self.done} of {total} {noun}"
        if seconds < 1 or not self.done:
            return text
        rate = self.done / seconds
        return (
            f"{text}, {rate:.0f} a second, {lasting((total - self.done) / rate)} left"
        )


def lasting(seconds: float) -> str:
    """A span of time for people: ``12 s``, ``3 min``, ``2.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
