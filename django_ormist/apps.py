"""What Django calls at start."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrmistConfig(AppConfig):
    """The app ``django_ormist``. Its start opens no connection."""

    name = "django_ormist"
    label = "django_ormist"
    verbose_name = _("Ormist")

    def ready(self) -> None:
        """Follow changes of the ORMIST and CACHES settings."""
        from .connections import connect_signals

        connect_signals()
