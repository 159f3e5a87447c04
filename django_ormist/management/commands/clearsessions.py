"""Django's clearsessions, which also prints the number of removed sessions."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.sessions.management.commands import clearsessions

from ...sessions import SessionStore
from ..command import CommandLine, pluralize


class Command(CommandLine, clearsessions.Command):
    """Django's command. It sweeps the sessions of django_ormist by their index."""

    help = "Sweeps expired sessions with their index entries; other engines as Django."

    def handle(self, **options: Any) -> None:
        store = import_module(settings.SESSION_ENGINE).SessionStore
        if not issubclass(store, SessionStore):
            super().handle(**options)
            return
        text = f"Swept {pluralize(store.clear_expired(), 'expired session')}."
        if options["verbosity"] > 0:
            self.stdout.write(self.style.SUCCESS(text))
