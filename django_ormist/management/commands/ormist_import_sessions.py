"""Import the live sessions of another engine."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...sessions.importing import ImportProgress, import_sessions, source
from ..command import OrmistCommand, Progress, pluralize, printable

SHOWN = 10


class Command(OrmistCommand):
    help = (
        "Stores the live sessions of another engine as those of django_ormist: users "
        "stay signed in, keys and deadlines are kept, and nothing is taken from the "
        "other engine. What is stored already is left as it is. Run it while nobody is "
        "served, between the old SESSION_ENGINE and the new: what somebody does in the "
        "old one afterwards is not carried over."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="engine",
            required=True,
            metavar="ENGINE",
            help="The engine's module, as SESSION_ENGINE named it: "
            "django.contrib.sessions.backends.db, cached_db or cache (over a Redis "
            "cache), or redis_sessions.session.",
        )

    def run_command(self, **options: Any) -> None:
        engine, verbosity, tally = (
            options["engine"],
            options["verbosity"],
            ImportProgress(),
        )
        try:
            found = source(engine)
        except (ImportError, AttributeError) as error:
            raise CommandError(
                f"There is no session engine {engine!r}: {error}. "
                "Name it as SESSION_ENGINE did."
            ) from error
        total = found.count()
        with Progress(self, verbosity) as progress:
            for tally in import_sessions(found):
                of = "" if total is None else f" of {total}"
                progress.show(f"{tally.seen}{of} sessions")
        if verbosity > 0:
            text = f"Carried over {pluralize(tally.carried, 'session')}."
            if tally.present:
                text += f" {pluralize(tally.present, 'session')} were there already."
            self.stdout.write(self.style.SUCCESS(text))
        if tally.refused:
            self.tell_refused(tally)

    def tell_refused(self, tally: ImportProgress) -> None:
        for pk, reason in tally.refused[:SHOWN]:
            self.stderr.write(f"{pk}: {printable(reason)}")
        raise CommandError(
            f"{pluralize(len(tally.refused), 'session')} could not be carried over: "
            "SESSION_SERIALIZER refuses what they hold. Let its owners sign in again, "
            "or choose a serializer that takes it, and run this again."
        )
