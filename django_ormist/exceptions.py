"""Every error that django_ormist raises, under Django's own word for it.

    OrmistError
    ├── ImproperlyConfigured      django.core.exceptions.ImproperlyConfigured
    │   └── UnknownAlias          ConnectionDoesNotExist, of connections["nope"]
    ├── FieldError                django.core.exceptions.FieldError
    ├── IntegrityError            django.db.IntegrityError
    ├── ConflictError             django.db.DatabaseError
    ├── NotUpdated                django.db.DatabaseError (6.0: ObjectNotUpdated)
    ├── CorruptDataError
    └── NotSupportedError         django.db.NotSupportedError

``ObjectDoesNotExist``, ``MultipleObjectsReturned`` and ``ValidationError`` are
Django's own; every model has its ``DoesNotExist``, ``MultipleObjectsReturned``
and ``NotUpdated`` below them. redis-py's errors pass through with a note that
names the alias.
"""

from django.core import exceptions as django_exceptions
from django.core.exceptions import (
    MultipleObjectsReturned,
    ObjectDoesNotExist,
    ValidationError,
)
from django.db import utils as django_db

__all__ = [
    "ConflictError",
    "CorruptDataError",
    "FieldError",
    "ImproperlyConfigured",
    "IntegrityError",
    "MultipleObjectsReturned",
    "NotSupportedError",
    "NotUpdated",
    "ObjectDoesNotExist",
    "OrmistError",
    "ValidationError",
]

# Django 5.2 has no ObjectNotUpdated: there the family ends at DatabaseError.
_NOT_UPDATED: type[Exception] = getattr(
    django_exceptions, "ObjectNotUpdated", django_db.DatabaseError
)


class OrmistError(Exception):
    """The root of the family: ``except OrmistError`` catches all of ours."""


class ImproperlyConfigured(OrmistError, django_exceptions.ImproperlyConfigured):
    """A setting or a Meta that cannot be: names the thing and the mend."""


class FieldError(OrmistError, django_exceptions.FieldError):
    """A lookup that no index answers: names the Meta line that would allow it."""


class IntegrityError(OrmistError, django_db.IntegrityError):
    """An id or a unique value that is taken. Nothing of that step was written."""


class ConflictError(OrmistError, django_db.DatabaseError):
    """``save(strict=True)`` met an object that changed since it was loaded."""


if issubclass(_NOT_UPDATED, django_db.DatabaseError):

    class NotUpdated(OrmistError, _NOT_UPDATED):  # type: ignore[misc,valid-type]
        """``save(force_update=True)`` found no object. Nothing was written."""

else:

    class NotUpdated(OrmistError, _NOT_UPDATED, django_db.DatabaseError):  # type: ignore[misc,valid-type,no-redef]
        """``save(force_update=True)`` found no object. Nothing was written."""


class CorruptDataError(OrmistError):
    """Stored bytes that cannot be read: names the key that holds them."""


class NotSupportedError(OrmistError, django_db.NotSupportedError):
    """Something that this kind of model, collection or connection cannot do."""
