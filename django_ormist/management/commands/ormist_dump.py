"""Write objects as lines of JSON, to a file or to standard output."""

import os
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError, CommandParser

from ...connections.executor import run
from ...models import Model
from ...operations import scan
from ..command import (
    OrmistCommand,
    Progress,
    Rate,
    create_file,
    find_models,
    pluralize,
    printable,
)
from ..dump_format import InvalidLine, read_lines, read_position
from ..moving import warn_of_other_slots

OBJECTS_A_STEP = 500
BEGIN = b'{"model": "'
"""The beginning of every line."""


class Command(OrmistCommand):
    """A dump of objects, 500 per round, that can be resumed."""

    help = (
        "Writes every object of a model, or of all models, as lines of JSON: types, "
        "tags, expiration times and counters, in the order of creation. ormist_load "
        "reads them. Others may write meanwhile: each object is written as it is when "
        "it is read."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--output", metavar="FILE", help="Write to this file. It must be new."
        )
        parser.add_argument(
            "--resume",
            action="store_true",
            help="Go on after the last line in the file of an interrupted dump.",
        )

    def run_command(self, **options: Any) -> None:
        models = find_models(options["model"])
        output, after = options["output"], -1.0
        if options["resume"]:
            if output is None:
                raise CommandError("--resume needs --output, the file to go on with.")
            label, after = find_last_position(Path(output))
            models = [model for model in models if model._meta.label >= label]
        self.unreadable = number = 0
        self.resume = "Run the same command again."
        to_errors = output is None
        with Progress(self, options["verbosity"], to_errors) as self.progress:
            if output is None:
                number = self.dump(models, options["using"], after, None)
            else:
                with open_file(Path(output), options["resume"]) as file:
                    self.resume = "Run the same command again with --resume to go on."
                    number = self.dump(models, options["using"], after, file)
        if output is not None and options["verbosity"] > 0:
            text = f"Wrote {pluralize(number, 'object')} to {output}."
            self.stdout.write(self.style.SUCCESS(text))
        if self.unreadable:
            raise CommandError(
                f"Not written because their bytes are damaged: "
                f"{pluralize(self.unreadable, 'object')}."
            )

    def dump(
        self,
        models: list[type[Model]],
        using: str | None,
        after: float,
        file: IO[str] | None,
    ) -> int:
        """Write the objects of these models, and return their number.

        The first model starts after the creation time *after*.
        """
        number = 0
        for model in models:
            number += self.dump_model(model, using or model._meta.using, after, file)
            after = -1
        return number

    def dump_model(
        self, model: type[Model], using: str, after: float | None, file: IO[str] | None
    ) -> int:
        label, number = printable(model._meta.label), 0
        warn_of_other_slots(self, model, using)
        rate = Rate(run(scan.count_ids(model._meta.space(using)), using))
        while True:
            flow = read_lines(model, using, after or 0, OBJECTS_A_STEP)
            lines, unreadable, after = run(flow, using)
            if after is None:
                return number
            for key in unreadable:
                self.stderr.write(f"{label}: the bytes at {key!r} are damaged.")
            self.unreadable += len(unreadable)
            if lines and file is not None:
                file.write("".join(f"{line}\n" for line in lines))
            elif lines:
                self.stdout.write("\n".join(lines))
            number += len(lines)
            rate.count(len(lines))
            self.progress.show(f"{label}: {rate.text('objects')}")


def open_file(path: Path, is_there: bool) -> IO[str]:
    """Return the output file, open at its end. Raises CommandError."""
    try:
        if not is_there:
            return create_file(path, fix="Remove it, or go on with it: --resume.")
        return path.open("a", encoding="ascii")
    except OSError as error:
        raise CommandError(f"Cannot write {path}: {error}") from error


def find_last_position(path: Path) -> tuple[str, float]:
    """Return the last position in a dump file, after removing an incomplete line."""
    try:
        with path.open("rb+") as file:
            # A file that is not a dump stays as it is.
            begin = file.read(len(BEGIN))
            if begin != BEGIN[: len(begin)]:
                raise InvalidLine("it is not a dump.")
            end = _end_of_last_line(file)
            last: tuple[str, float] = ("", -1)
            if end > 0:
                start = _end_of_last_line(file, end - 1)
                file.seek(start)
                last = read_position(file.read(end - start).decode())
            file.truncate(end)
            return last
    except (OSError, InvalidLine, ValueError) as error:
        raise CommandError(f"Cannot go on with {path}: {error}") from error


def _end_of_last_line(file: IO[bytes], before: int | None = None) -> int:
    """Return the offset after the last line break of a file before *before*."""
    at = file.seek(0, os.SEEK_END) if before is None else before
    while at > 0:
        start = max(at - 65536, 0)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0
