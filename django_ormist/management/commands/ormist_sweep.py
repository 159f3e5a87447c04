"""Remove the index entries of expired objects."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import Any

from django.core.management.base import CommandError, CommandParser
from redis.exceptions import RedisError

from ...connections.executor import run
from ...models import Model
from ...operations.expiry import sweep
from ...operations.stats import model_counts
from ..command import OrmistCommand, Progress, find_models, pluralize, printable

MOST_SECONDS = 1_000_000
"""The longest interval: 11 days."""


class Command(OrmistCommand):
    """A sweep of expired objects, once or in a loop."""

    help = (
        "Removes every expired object with all its index entries. Reads never return "
        "expired objects, and every write that may move an index entry removes some of "
        "them. This command removes the rest, in a store with few writes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--batch-size",
            type=int,
            default=50,
            help="Objects per step, 1 to 500, or fewer with many index entries. A step "
            "blocks the server for 1 to 5 ms. Default: 50.",
        )
        parser.add_argument(
            "--loop",
            action="store_true",
            help="Repeat after each --interval, until SIGTERM or SIGINT ends it after "
            "the current step. If the server does not answer, try again later.",
        )
        parser.add_argument(
            "--interval",
            type=float,
            default=10.0,
            metavar="SECONDS",
            help="Time from the end of a round to the next. Default: 10.",
        )

    def run_command(self, **options: Any) -> None:
        size = options["batch_size"]
        if not 1 <= size <= 500:
            raise CommandError(f"--batch-size takes 1 to 500, not {size}.")
        if not 0 < options["interval"] <= MOST_SECONDS:
            raise CommandError(
                f"--interval takes more than 0 and at most {MOST_SECONDS} seconds, not "
                f"{options['interval']}."
            )
        self.end = Event()
        if not options["loop"]:
            self.sweep_models(**options)
            return
        with set_on_signals(self.end):
            while not self.end.is_set():
                try:
                    self.sweep_models(
                        **{**options, "verbosity": options["verbosity"] - 1}
                    )
                except RedisError as error:
                    self.stderr.write(f"{error} It is tried again later.")
                self.end.wait(options["interval"])
        if options["verbosity"] > 0:
            self.stdout.write(self.style.SUCCESS("Ended."))

    def sweep_models(self, **options: Any) -> None:
        """Sweep each model until no expired object is left."""
        size, verbosity, total = options["batch_size"], options["verbosity"], 0
        with Progress(self, verbosity) as progress:
            for model in find_models(options["model"]):
                using = options["using"] or model._meta.using
                swept = self.sweep_model(model, using, size, progress)
                total += swept
                if verbosity > 1:
                    progress.clear()
                    self.stdout.write(
                        f"{printable(model._meta.label)} ({using}): {swept}"
                    )
        if verbosity > 0:
            text = f"Swept {pluralize(total, 'expired object')}."
            self.stdout.write(self.style.SUCCESS(text))

    def sweep_model(
        self, model: type[Model], using: str, size: int, progress: Progress
    ) -> int:
        """Sweep one model until no expired object is left. Return the number swept."""
        space = model._meta.space(using)
        expired, swept = run(model_counts(space), using).expired, 0
        while not self.end.is_set() and (removed := run(sweep(space, size), using)):
            swept += removed
            label = printable(model._meta.label)
            progress.show(f"{label}: {swept} of {max(expired, swept)} swept")
        return swept


@contextmanager
def set_on_signals(end: Event) -> Iterator[None]:
    """Set *end* on SIGTERM and SIGINT, if this is the main thread, which gets them."""
    if current_thread() is not main_thread():
        yield
        return
    previous = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            previous[number] = signal.signal(number, lambda *_: end.set())
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
