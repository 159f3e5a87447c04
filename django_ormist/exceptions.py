"""Exceptions of django_ormist, named as Django's.

    OrmistError
    ├── ImproperlyConfigured      django.core.exceptions.ImproperlyConfigured
    │   └── UnknownAlias          ConnectionDoesNotExist, of connections["nope"]
    ├── FieldError                django.core.exceptions.FieldError
    ├── InvalidLookupValue        ValidationError and ValueError
    ├── IntegrityError            django.db.IntegrityError
    ├── ConflictError             django.db.DatabaseError
    ├── NotUpdated                django.db.DatabaseError (6.0: ObjectNotUpdated)
    ├── NotReplicated             django.db.DatabaseError
    ├── TopologyChanged           django.db.DatabaseError
    ├── CorruptDataError
    ├── SynchronousOnlyOperation  django.core.exceptions.SynchronousOnlyOperation
    └── NotSupportedError         django.db.NotSupportedError

``ObjectDoesNotExist``, ``MultipleObjectsReturned`` and ``ValidationError`` are
Django's own; every model has its ``DoesNotExist``, ``MultipleObjectsReturned``
and ``NotUpdated`` below them. redis-py's errors pass through with a note that
names the alias.
"""

from collections.abc import Iterable

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
    "InvalidLookupValue",
    "MultipleObjectsReturned",
    "NotReplicated",
    "NotSupportedError",
    "NotUpdated",
    "ObjectDoesNotExist",
    "OrmistError",
    "SynchronousOnlyOperation",
    "TopologyChanged",
    "ValidationError",
]

# Django 5.2 has no ObjectNotUpdated: there the base class is DatabaseError.
_NOT_UPDATED: type[Exception] = getattr(
    django_exceptions, "ObjectNotUpdated", django_db.DatabaseError
)


class OrmistError(Exception):
    """The base class of all exceptions of django_ormist."""


class ImproperlyConfigured(OrmistError, django_exceptions.ImproperlyConfigured):
    """An invalid setting or Meta. The message names it and suggests a fix."""


class FieldError(OrmistError, django_exceptions.FieldError):
    """A lookup without an index. The message names the Meta option that allows it."""


class InvalidLookupValue(OrmistError, ValidationError, ValueError):
    """A value in a lookup that cannot be converted to the declared type.

    Django raises a ValueError or a ValidationError, depending on the type of the field.
    """


class IntegrityError(OrmistError, django_db.IntegrityError):
    """An id or a unique value that is taken. That step wrote nothing.

    names: the attributes whose values another object has, or ``("id",)``. Empty for a
    method that writes many objects.
    """

    def __init__(self, *args: object, names: Iterable[str] = ()) -> None:
        super().__init__(*args)
        self.names = tuple(names)


class ConflictError(OrmistError, django_db.DatabaseError):
    """``save(strict=True)`` of an object that was changed since it was loaded."""


if issubclass(_NOT_UPDATED, django_db.DatabaseError):

    class NotUpdated(OrmistError, _NOT_UPDATED):  # type: ignore[misc,valid-type]
        """``save(force_update=True)`` of an object that does not exist."""

else:

    class NotUpdated(OrmistError, _NOT_UPDATED, django_db.DatabaseError):  # type: ignore[misc,valid-type,no-redef]
        """``save(force_update=True)`` of an object that does not exist."""


class NotReplicated(OrmistError, django_db.DatabaseError):
    """A write that was applied, but that too few replicas have confirmed.

    It is lost if the primary fails now. Only with ``OPTIONS["replicas"]``.
    """


class TopologyChanged(OrmistError, django_db.DatabaseError):
    """A failover, a restart or a move of slots during a scan of all keys.

    The scan may have missed keys. Repeat it once the nodes are at rest.
    """


class CorruptDataError(OrmistError):
    """Stored bytes that cannot be read. The message names their key."""


class SynchronousOnlyOperation(OrmistError, django_exceptions.SynchronousOnlyOperation):
    """Access in async code to an attribute that would have to be loaded first."""


class NotSupportedError(OrmistError, django_db.NotSupportedError):
    """An operation that this model, collection or connection does not support."""
