"""The app configuration, which Django loads at startup."""

from django.apps import AppConfig, apps
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class OrmistConfig(AppConfig):
    """The app ``django_ormist``. It opens no connection at startup."""

    name = "django_ormist"
    label = "django_ormist"
    verbose_name = _("Ormist")

    def ready(self) -> None:
        """Register the checks, and connect signals for settings and users."""
        from .checks import register
        from .connections import connect_signals
        from .models import relations

        connect_signals()
        register()
        relations.connect_waiting()  # all models of Django are loaded by now
        engine = getattr(settings, "SESSION_ENGINE", "")
        if engine == "django_ormist.sessions" or hasattr(settings, "ORMIST_SESSIONS"):
            # Imported here, so that commands find the session model too.
            from .sessions.logout import follow_users

            follow_users()
        if apps.is_installed("drf_spectacular"):
            # Imported here, so that views of plain serializers are described too.
            from .rest_framework import openapi  # noqa: F401
