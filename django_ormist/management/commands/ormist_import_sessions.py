"""Import the live sessions of another engine."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from ...sessions.importing import ImportProgress, find_source, import_sessions
from ..command import OrmistCommand, Progress, pluralize, printable

SHOWN = 10


class Command(OrmistCommand):
    """An import of sessions. It may be repeated: stored sessions are skipped."""

    help = (
        "Copies the live sessions of another engine to django_ormist. Users stay "
        "signed in, and sessions keep their keys and deadlines. The other engine is "
        "not changed, and sessions that are stored already are skipped. Run it while "
        "the site is down, between the old SESSION_ENGINE and the new one: later "
        "changes in the old engine are not copied."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="engine",
            required=True,
            metavar="ENGINE",
            help="The engine's module, as in SESSION_ENGINE: "
            "django.contrib.sessions.backends.db, cached_db or cache (over a Redis "
            "cache), or redis_sessions.session.",
        )

    def run_command(self, **options: Any) -> None:
        engine, verbosity, result = (
            options["engine"],
            options["verbosity"],
            ImportProgress(),
        )
        try:
            found = find_source(engine)
        except (ImportError, AttributeError) as error:
            raise CommandError(
                f"There is no session engine {engine!r}: {error}. "
                "Name it as in SESSION_ENGINE."
            ) from error
        total = found.count()
        with Progress(self, verbosity) as progress:
            for result in import_sessions(found):
                of = "" if total is None else f" of {total}"
                progress.show(f"{result.seen}{of} sessions")
        if verbosity > 0:
            text = f"Carried over {pluralize(result.imported, 'session')}."
            if result.present:
                text += f" Skipped {pluralize(result.present, 'stored session')}."
            self.stdout.write(self.style.SUCCESS(text))
        if result.refused:
            self.report_refused(result)

    def report_refused(self, result: ImportProgress) -> None:
        for pk, reason in result.refused[:SHOWN]:
            self.stderr.write(f"{pk}: {printable(reason)}")
        raise CommandError(
            f"{pluralize(len(result.refused), 'session')} could not be carried over: "
            "SESSION_SERIALIZER refuses their values. Let the users sign in again, or "
            "choose a serializer that accepts them, and run this again."
        )
