"""Update the index of stored objects after a change of Meta, or move them."""

import shlex
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ...connections import connections
from ...connections.executor import repeat_scan, run
from ...flows.fill import Filled, fill_defaults
from ...keys import Space
from ...models import Model
from ...operations import move, scan, verify
from ...operations.repair import Fault
from ..command import OrmistCommand, Progress, Rate, find_models, pluralize, printable
from ..moving import move_model, warn_of_other_slots
from ..verification import Verdict, Verification, format_fault

OBJECTS_A_STEP = 500

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND

ADDED = ("missing-entry", "missing-value", "wrong-sort-key")
REMOVED = ("surplus-entry", "surplus-value", "undeclared-index")


class Command(OrmistCommand):
    """An update of index entries, 500 objects per step."""

    help = (
        "Updates every stored object after a change of index_attrs, exclude_attrs, "
        "ordered, unique or counters in Meta. Adds missing index entries, and removes "
        "those of attributes that are no longer indexed. Moves the numbers of "
        "attributes that are counters now. Each object is one atomic step, while "
        "others read and write. Every process must run the new Meta before it starts. "
        "Until it has ended, name the attributes in Meta.pending_indexes, so that "
        "queries do not return incomplete results."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--after",
            type=parse_creation_time,
            metavar="TIME",
            help="Go on after the object with this creation time: a number, which an "
            "interrupted run prints, or a date or time in ISO 8601, as ormist_inspect "
            "shows it. Without an offset it is in the current time zone. Needs a "
            "model.",
        )
        parser.add_argument(
            "--move",
            action="store_true",
            help="Move objects to the slot in Meta.slot, or out of one, in place of "
            "reindexing. Finds their former keys by a scan. Stop the processes that "
            "use the model first.",
        )

        parser.add_argument(
            "--fill",
            action="store_true",
            help="Store the defaults of declared attributes in the objects that lack "
            "them, and convert stored values to the declared types where nothing is "
            "lost. Count the objects that lack a required attribute or do not fit.",
        )

    def run_command(self, **options: Any) -> None:
        if options["after"] is not None and options["model"] is None:
            raise CommandError(
                "--after needs a model: ormist_reindex app.Model --after"
            )
        if options["move"] and options["after"] is not None:
            raise CommandError("--after is not for --move, which goes on by itself.")
        if options["move"] and options["fill"]:
            raise CommandError("--fill is not for --move. Run one after the other.")
        self.is_filling: bool = options["fill"]
        self.verbosity: int = options["verbosity"]
        self.repeated = repeated_options(options)
        models = find_models(options["model"])
        if options["move"]:
            self.move(models, options["using"])
            return
        after = -1 if options["after"] is None else options["after"]
        left = 0
        for number, model in enumerate(models):
            self.rest = models[number:]
            if number:
                self.resume = self.describe_rest()
            using = options["using"] or model._meta.using
            warn_of_other_slots(self, model, using)
            with Progress(self, self.verbosity) as self.progress:
                verdict = self.reindex(model, using, after)
            left += verdict.left
            if self.verbosity > 0:
                self.stdout.write(self.style.SUCCESS(summarize(verdict)))
                if self.is_filling:
                    self.stdout.write(describe_filled(self.filled))
        if left:
            raise CommandError(
                f'Left as they are: {left}. The page "Finding and repairing damage" of '
                "the manual says how to repair each kind. Then run the same command "
                "again."
            )

    def reindex(self, model: type[Model], using: str, after: float) -> Verdict:
        """Reindex one model: its unique values, its objects, other keys."""
        label, self.filled = model._meta.label, Filled()
        work = Verification(
            [model],
            using,
            self.progress,
            self.report,
            is_repairing=True,
            spares_unreadable=True,
        )
        subject, verdict = work.subjects[label], work.verdicts[label]
        unique = verify.unique_cursors(subject)
        work.check_entries(subject, unique, Rate(len(unique)))
        rate = Rate(work.run(scan.count_ids(subject.space)))
        while page := work.run(
            scan.ids_by_creation(subject.space, after, OBJECTS_A_STEP)
        ):
            pks = [pk for pk, _ in page]
            if self.is_filling:
                self.add(work.run(fill_defaults(model, using, pks)))
            work.record(subject, work.run(verify.check_ids(subject, pks)))
            after = page[-1][1]
            self.resume = self.describe_rest(int(min(after, _LATEST)))
            verdict.objects += len(page)
            rate.count(len(page))
            self.progress.show(f"{printable(label)}: {rate.text('objects')}")
        work.check_index()
        if work.interruption is not None:
            raise work.interruption
        return verdict

    def describe_rest(self, after: int | None = None) -> str:
        """Return the commands for the models that are not done.

        after: the creation time of the last object of the first one that is done.
        """
        commands = [["ormist_reindex", each._meta.label] for each in self.rest]
        if after is not None:
            commands[0] += ["--after", str(after)]
        lines = [shlex.join([*words, *self.repeated]) for words in commands]
        if len(lines) == 1:
            return f"Run {lines[0]} to go on."
        return "\n  ".join(["Run these commands to go on:", *lines])

    def add(self, filled: Filled) -> None:
        """Count the objects of one step that were filled, and those that lack more."""
        self.filled.objects += filled.objects
        self.filled.lacking += filled.lacking
        self.filled.misfits += filled.misfits

    # --move

    def move(self, models: list[type[Model]], using: str | None) -> None:
        """Move the objects of these models. Raises CommandError if some are left."""
        self.resume = "Run the same command again to go on."
        by_alias: dict[str, list[type[Model]]] = {}
        for model in models:
            by_alias.setdefault(using or model._meta.using, []).append(model)
        left = 0
        for alias, some in by_alias.items():
            spaces = {model._meta.space(alias): model for model in some}
            found = repeat_scan(partial(find_former, spaces, alias), connections[alias])
            for space, model in spaces.items():
                former = [other for other, _ in found.get(space, [])]
                left += self.move_from(former, model, alias)
            if not found and self.verbosity > 0:
                self.stdout.write(f"{alias}: no objects are under other keys.")
        if left:
            raise CommandError(
                f'Left under their former keys: {left}. The page "Transactions" of the '
                "manual says what to do with each kind. Then run the same command "
                "again."
            )

    def move_from(self, former: Sequence[Space], model: type[Model], using: str) -> int:
        """Move the objects of one model. Return how many were left."""
        left = 0

        def report(fault: Fault) -> None:
            self.progress.clear()
            self.stderr.write(format_fault(Verdict(model._meta.label, using), fault))

        with Progress(self, self.verbosity) as self.progress:
            for result in move_model(model, using, former, self.progress, report):
                left += result.left
                self.progress.clear()
                text = (
                    f"{printable(model._meta.label)} ({using}): "
                    f"{pluralize(result.objects, 'object')} moved from "
                    f"{printable(result.former.name)}; quarantined keys: "
                    f"{result.quarantined}; left: {result.left}."
                )
                if self.verbosity > 0:
                    self.stdout.write(self.style.SUCCESS(text))
        return left

    def report(self, verdict: Verdict, fault: Fault) -> None:
        """Report remaining faults, and at verbosity 2 each change."""
        if not fault.is_repaired or self.verbosity > 1:
            self.progress.clear()
            (self.stdout if fault.is_repaired else self.stderr).write(
                format_fault(verdict, fault)
            )


def repeated_options(options: dict[str, Any]) -> list[str]:
    """Return the options that each command for the rest needs, too."""
    words = ["--fill"] if options["fill"] else []
    for name in ("using", "settings", "pythonpath"):
        if options.get(name):
            words += [f"--{name}", options[name]]
    if options["verbosity"] != 1:
        words += ["--verbosity", str(options["verbosity"])]
    return words


def parse_creation_time(text: str) -> int:
    """Return a number, or a date or time in ISO 8601, as microseconds since 1970.

    Raises ArgumentTypeError.
    """
    try:
        if 0 <= (number := int(text)) <= _LATEST:
            return number
    except ValueError:
        pass
    try:
        moment = parse_datetime(text)
        if moment is None:
            raise ValueError(text)
        if timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
    except (ValueError, OverflowError) as error:
        raise ArgumentTypeError(
            f"{text!r} is not a creation time. Give microseconds since 1970, or a date "
            "or time such as 2020-01-31 or 2020-01-31T12:00:00+00:00."
        ) from error
    return (moment - EPOCH) // _MICROSECOND


def find_former(
    spaces: Iterable[Space], using: str
) -> dict[Space, list[tuple[Space, int]]]:
    """Return the former key spaces of each of these that has some."""
    return run(move.find_former(connections[using].key_prefix, spaces), using)


def describe_filled(filled: Filled) -> str:
    """Return how many objects were filled, and how many lack a required attribute."""
    text = f"Values stored in {pluralize(filled.objects, 'object')}."
    for name, number in sorted(filled.lacking.items()):
        text += (
            f" {pluralize(number, 'object')} without the required {printable(name)}."
        )
    for name, number in sorted(filled.misfits.items()):
        text += (
            f" {pluralize(number, 'object')} with a {printable(name)} that does not "
            "fit: ormist_inspect --schema shows some."
        )
    return text


def summarize(verdict: Verdict) -> str:
    """Return a summary in one line."""
    done: Counter[str] = verdict.repaired
    added = sum(done[kind] for kind in ADDED)
    removed = sum(done[kind] for kind in REMOVED)
    other = done.total() - added - removed
    return (
        f"{printable(verdict.model)} ({verdict.using}): "
        f"{pluralize(verdict.objects, 'object')}; index entries added: {added}, "
        f"removed: {removed}, changed: {other}."
    )
