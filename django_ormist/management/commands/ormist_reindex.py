"""Update the index of stored objects after a change of Meta."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...models import Model
from ...operations import scan, verify
from ...operations.repair import Fault
from ..command import OrmistCommand, Progress, Rate, find_models, pluralize, printable
from ..verification import Verdict, Verification, format_fault

OBJECTS_A_STEP = 500

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
            type=int,
            metavar="TIME",
            help="Go on after the object with this creation time, which an interrupted "
            "run prints. Needs a model.",
        )

    def run_command(self, **options: Any) -> None:
        if options["after"] is not None and options["model"] is None:
            raise CommandError(
                "--after needs a model: ormist_reindex app.Model --after"
            )
        self.verbosity: int = options["verbosity"]
        left = 0
        for model in find_models(options["model"]):
            using = options["using"] or model._meta.using
            with Progress(self, self.verbosity) as self.progress:
                verdict = self.reindex(model, using, options["after"] or -1)
            left += verdict.left
            if self.verbosity > 0:
                self.stdout.write(self.style.SUCCESS(summarize(verdict)))
        if left:
            raise CommandError(
                f"Left as they are: {left}. docs/howto/repair.rst says how to repair "
                "each kind. Then run the same command again."
            )

    def reindex(self, model: type[Model], using: str, after: float) -> Verdict:
        """Reindex one model: its unique values, its objects, other keys."""
        label = model._meta.label
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
            work.record(subject, work.run(verify.check_ids(subject, pks)))
            after = page[-1][1]
            self.resume = (
                f"Run ormist_reindex {label} --using {using} --after {after:.0f} "
                "to go on."
            )
            verdict.objects += len(page)
            rate.count(len(page))
            self.progress.show(f"{printable(label)}: {rate.text('objects')}")
        work.check_index()
        return verdict

    def report(self, verdict: Verdict, fault: Fault) -> None:
        """Report remaining faults, and at verbosity 2 each change."""
        if not fault.is_repaired or self.verbosity > 1:
            self.progress.clear()
            (self.stdout if fault.is_repaired else self.stderr).write(
                format_fault(verdict, fault)
            )


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
