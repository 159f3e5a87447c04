"""Update the index of stored objects after a change of Meta."""

from collections import Counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...models import Model
from ...operations import scan, verify
from ...operations.repair import Fault
from ..command import OrmistCommand, Progress, Rate, find_models, pluralize, printable
from ..verification import Verdict, Verification, fault_line

OBJECTS_A_STEP = 500

ADDED = ("missing-entry", "missing-value", "wrong-sort-key")
REMOVED = ("surplus-entry", "surplus-value", "undeclared-index")


class Command(OrmistCommand):
    help = (
        "Brings the index entries of every stored object to what the model's Meta says "
        "now, after index_attrs, exclude_attrs, ordered or unique changed: adds those "
        "that are missing, removes those of attributes that are no longer indexed. "
        "Runs while others read and write; each object is one atomic step. Every "
        "process must run the new Meta before it starts; until it is through, name "
        "the attributes in Meta.pending_indexes, so that nobody is answered short."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--after",
            type=int,
            metavar="TIME",
            help="Go on after the object of this creation time, as an interrupted run "
            "said. Needs a model.",
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
                self.stdout.write(self.style.SUCCESS(summary(verdict)))
        if left:
            raise CommandError(
                f"Left as they are: {left}. docs/howto/repair.rst says what to do "
                "about each kind; then run the same command again."
            )

    def reindex(self, model: type[Model], using: str, after: float) -> Verdict:
        """Reindex one model: its unique values, its objects, other keys."""
        label = model._meta.label
        work = Verification(
            [model],
            using,
            self.progress,
            self.tell,
            is_repairing=True,
            spares_unreadable=True,
        )
        subject, verdict = work.subjects[label], work.verdicts[label]
        unique = verify.unique_cursors(subject)
        work.walk(subject, unique, Rate(len(unique)))
        pace = Rate(work.ask(scan.count_ids(subject.space)))
        while page := work.ask(
            scan.ids_by_creation(subject.space, after, OBJECTS_A_STEP)
        ):
            pks = [pk for pk, _ in page]
            work.note(subject, work.ask(verify.examine_all(subject, pks, True)))
            after = page[-1][1]
            self.resume = (
                f"Run ormist_reindex {label} --using {using} --after {after:.0f} "
                "to go on."
            )
            verdict.objects += len(page)
            pace.count(len(page))
            self.progress.show(f"{printable(label)}: {pace.text('objects')}")
        work.look_at_keys()
        return verdict

    def tell(self, verdict: Verdict, fault: Fault) -> None:
        """Report remaining faults, and at verbosity 2 each change."""
        if not fault.is_repaired or self.verbosity > 1:
            self.progress.clear()
            (self.stdout if fault.is_repaired else self.stderr).write(
                fault_line(verdict, fault)
            )


def summary(verdict: Verdict) -> str:
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
