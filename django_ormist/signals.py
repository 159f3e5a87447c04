"""Signals of django_ormist's models; Django's own are never sent for them.

pre_save, post_save      sender, instance, using; post_save also created
pre_delete, post_delete  sender, instance, using
class_prepared           sender

Async methods send them with ``asend``. Bulk methods do not send them:
``bulk_create``, ``bulk_save``, ``bulk_update``, and a collection's ``update``,
``delete`` and ``set_expire``.
"""

from typing import Any

from django.dispatch import Signal

pre_save = Signal()
post_save = Signal()
pre_delete = Signal()
post_delete = Signal()
class_prepared = Signal()


def are_heard(signal: Signal, sender: Any) -> bool:
    """Return has_listeners(), with a shortcut for a signal without receivers."""
    return bool(signal.receivers) and signal.has_listeners(sender)
