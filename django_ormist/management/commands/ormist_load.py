"""Store the objects that ormist_dump wrote."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from django.core.management.base import CommandError, CommandParser

from ...batching import batched
from ...connections.executor import run
from ...exceptions import (
    CorruptDataError,
    FieldError,
    IntegrityError,
    NotSupportedError,
    ValidationError,
)
from ...flows.attempt import INSERT, UPSERT
from ...flows.bulk import clean_and_validate
from ...models import Collection, Model
from ..command import (
    OrmistCommand,
    Progress,
    Rate,
    check_alias,
    create_file,
    escape_controls,
    find_model,
    pluralize,
)
from ..dump_format import InvalidLine, is_same, line_to_object, store_object

LINES_A_STEP = 100
SESSIONS = "django_ormist.Session"
REFUSALS = (
    CorruptDataError,
    FieldError,
    IntegrityError,
    NotSupportedError,
    ValidationError,
    TypeError,
    ValueError,
)
"""The errors of one object. Any other one ends the command."""

Numbered = tuple[int, str, Model]


class Command(OrmistCommand):
    """A load of dumped objects, 100 lines at a time."""

    help = (
        "Stores the objects of a file that ormist_dump wrote, in its order. A line "
        "that cannot be stored is reported by its number, and the others are stored. "
        "An equal object that is stored already is skipped, so the same file may be "
        "loaded again. save() is not called, and no signal is sent."
    )
    stealth_options = ("stdin",)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "file", metavar="FILE", help="The file, or - for the standard input."
        )
        parser.add_argument("--using", metavar="ALIAS", help=self.using_help)
        parser.add_argument(
            "--existing",
            choices=("refuse", "skip", "replace"),
            default="refuse",
            help="How to treat a line if its id has a different object now. Default: "
            "refuse, that is report the line.",
        )
        parser.add_argument(
            "--from-line",
            type=int,
            default=1,
            metavar="N",
            help="Begin at this line, which an interrupted run prints.",
        )
        parser.add_argument(
            "--rejects",
            metavar="FILE",
            help="Write lines that cannot be stored to this file, unchanged. It must "
            "be new.",
        )
        parser.add_argument(
            "--model",
            action="append",
            metavar="app_label.Model",
            help="Store only lines of this model; may be given several times. Lines of "
            "others are reported and left out.",
        )
        parser.add_argument(
            "--sessions",
            action="store_true",
            help="Store sessions, too. The author of such a line can use it to log in "
            "as any user.",
        )

    def run_command(self, **options: Any) -> None:
        if not options["from_line"] >= 1:
            raise CommandError(
                f"--from-line takes 1 or more, not {options['from_line']}."
            )
        self.options = options
        self.last_done: int | None = None
        self.stored = self.skipped = self.expired = 0
        self.broken: list[int] = []
        labels = options["model"]
        self.models = labels and {find_model(label) for label in labels}
        with ExitStack() as stack:
            self.rejects = self.open_rejects(stack, options["rejects"])
            progress = stack.enter_context(Progress(self, options["verbosity"]))
            name = options["file"]
            if name == "-":
                file = options.get("stdin") or sys.stdin
                rate = Rate(0)
            else:
                file = self.open_file(stack, name)
                rate = Rate(Path(name).stat().st_size)
            for some in read_batches(file, options["from_line"]):
                self.load(some)
                self.last_done = some[-1][0]
                self.resume = self.describe_rest()
                rate.count(sum(len(line) for _, line in some))
                progress.show(f"line {self.last_done}: {rate.text('bytes')}")
        self.resume = "All lines are done."
        self.report()

    def describe_rest(self) -> str:
        """Return how to go on after the last line that is done."""
        changes = []
        if self.last_done is not None:
            changes.append(f"--from-line {self.last_done + 1}")
        if self.rejects is not None and self.broken:
            changes.append("another file for --rejects")
        options = f" with {' and '.join(changes)}" if changes else ""
        return f"Run the same command again{options} to go on."

    def open_file(self, stack: ExitStack, name: str) -> Any:
        try:
            return stack.enter_context(
                # Bytes that are not UTF-8 go to the rejects unchanged.
                Path(name).open(encoding="utf-8", errors="surrogateescape")
            )
        except (OSError, ValueError) as error:
            raise CommandError(f"Cannot open {name}: {error}") from error

    def open_rejects(self, stack: ExitStack, name: str | None) -> Any:
        """Return the file for rejected lines. It is removed if it stays empty."""
        if name is None:
            return None
        path = Path(name)
        file = create_file(path, "utf-8", "surrogateescape")
        stack.callback(self.remove_empty, path)
        return stack.enter_context(file)

    def remove_empty(self, path: Path) -> None:
        if not self.broken:
            path.unlink()

    def load(self, lines: list[tuple[int, str]]) -> None:
        """Store the objects of some lines, and report those that cannot be stored."""
        read: list[Numbered] = []
        for number, line in lines:
            try:
                read.append((number, line, self.read(line)))
            except InvalidLine as error:
                self.reject(number, line, str(error))
        for _, some in groupby(read, key=lambda each: type(each[2])):
            self.insert(list(some))

    def read(self, line: str) -> Model:
        """Return the object of a line. Raises InvalidLine, also for another model."""
        instance = line_to_object(line)
        label = instance._meta.label
        if self.models and type(instance) not in self.models:
            raise InvalidLine(f"it is of the model {label}, which --model leaves out.")
        if label == SESSIONS and not (self.models or self.options["sessions"]):
            raise InvalidLine("it is a session. Pass --sessions to store those, too.")
        return instance

    def insert(self, some: list[Numbered]) -> None:
        """Insert objects of one model together, or one by one if any is refused."""
        model = type(some[0][2])
        collection = Collection(model, using=self.options["using"] or model._meta.using)
        check_alias(collection.db)
        try:
            collection.bulk_create(
                [each for _, _, each in some], batch_size=LINES_A_STEP
            )
        except REFUSALS:
            for number, line, each in some:
                self.insert_one(number, line, each, collection)
        else:
            for _, _, each in some:
                self.count_stored(each)

    def insert_one(
        self, number: int, line: str, each: Model, collection: Collection[Model]
    ) -> None:
        """Insert one object. If its id is taken, follow the option --existing."""
        options = UPSERT if self.options["existing"] == "replace" else INSERT
        try:
            known = collection.in_bulk([each.id]).get(each.id)
            if known is not None and self.should_skip(known, each):
                self.skipped += 1
                return
            run(store_object(collection, each, options), collection.db)
        except REFUSALS as error:
            self.reject(number, line, explain_refusal(error))
        else:
            self.count_stored(each)

    def should_skip(self, known: Model, each: Model) -> bool:
        """Return whether to leave a stored object: it is equal, or the option says so.

        An object that is equal after its conversion counts, too. Raises
        ValidationError.
        """
        if self.options["existing"] == "skip" or is_same(known, each):
            return True
        clean_and_validate(each, using=None)
        return is_same(known, each)

    def count_stored(self, each: Model) -> None:
        if each._state.adding:  # its deadline passed between the dump and now
            self.expired += 1
        else:
            self.stored += 1

    def reject(self, number: int, line: str, why: str) -> None:
        self.broken.append(number)
        self.stderr.write(escape_controls(f"Line {number}: {why}"))
        if self.rejects is not None:
            self.rejects.write(line if line.endswith("\n") else f"{line}\n")
            self.resume = self.describe_rest()

    def report(self) -> None:
        if self.options["verbosity"] > 0:
            text = f"Stored {pluralize(self.stored, 'object')}"
            if self.skipped:
                text += f"; skipped {pluralize(self.skipped, 'stored object')}"
            if self.expired:
                text += f"; {self.expired} expired since the dump"
            self.stdout.write(self.style.SUCCESS(f"{text}."))
        if self.broken:
            shown = ", ".join(map(str, self.broken[:20]))
            more = (
                "" if len(self.broken) <= 20 else f" and {len(self.broken) - 20} more"
            )
            raise CommandError(
                f"Not stored: line {shown}{more}. Fix them and load again: stored "
                "objects are skipped."
            )


def read_batches(file: IO[str], first: int) -> Iterator[list[tuple[int, str]]]:
    """Yield the lines of a file from a number on, 100 at a time, without empty ones.

    Raises CommandError if the file ends before that number.
    """
    yield from batched(read_filled(file, first), LINES_A_STEP)


def read_filled(file: IO[str], first: int) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of each line that is not empty. See read_batches()."""
    number = 0
    for number, line in enumerate(file, start=1):
        if number >= first and line.strip():
            yield number, line
    if first > 1 and number < first:
        raise CommandError(
            f"--from-line {first} is after the last line, which is {number}. Objects "
            "were not stored."
        )


def explain_refusal(error: Exception) -> str:
    """Return the reason why an object was not stored, with the fix."""
    if isinstance(error, IntegrityError) and error.names == ("id",):
        return (
            "its id is taken by a different object. Keep that one with --existing "
            "skip, or replace it with --existing replace."
        )
    return str(error)
