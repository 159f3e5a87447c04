"""A panel for django-debug-toolbar: ``"django_ormist.debug.OrmistPanel"``."""

from .panel import OrmistPanel

__all__ = ["OrmistPanel"]
