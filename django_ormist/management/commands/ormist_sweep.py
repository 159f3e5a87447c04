"""Remove what has expired, index entries and all."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...connections.executor import run
from ...models import Model
from ...operations.expiry import sweep
from ...operations.inspection import tally
from ..command import OrmistCommand, Progress, counted, models_named, plain


class Command(OrmistCommand):
    help = (
        "Removes objects whose deadline is past, with all their index entries, until "
        "none is due. Reads never show such objects, and every write removes some; "
        "this empties the rest of a store that is written seldom."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--batch-size",
            type=int,
            default=50,
            help="Objects a step, 1 to 500. The server does nothing else meanwhile: "
            "50 take 1 to 3 ms. Default: 50.",
        )

    def carry_out(self, **options: Any) -> None:
        size, verbosity = options["batch_size"], options["verbosity"]
        if not 1 <= size <= 500:
            raise CommandError(f"--batch-size takes 1 to 500, not {size}.")
        total = 0
        with Progress(self, verbosity) as progress:
            for model in models_named(options["model"]):
                using = options["using"] or model._meta.using
                swept = self.sweep(model, using, size, progress)
                total += swept
                if verbosity > 1:
                    progress.clear()
                    self.stdout.write(f"{plain(model._meta.label)} ({using}): {swept}")
        if verbosity > 0:
            text = f"Swept {counted(total, 'expired object')}."
            self.stdout.write(self.style.SUCCESS(text))

    def sweep(
        self, model: type[Model], using: str, size: int, progress: Progress
    ) -> int:
        """Sweep one model until nothing is due; how many objects."""
        space = model._meta.space(using)
        due, swept = run(tally(space), using).due, 0
        while removed := run(sweep(space, size), using):
            swept += removed
            label = plain(model._meta.label)
            progress.show(f"{label}: {swept} of {max(due, swept)} swept")
        return swept
