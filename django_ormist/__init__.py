"""Real objects in Redis with the API of Django's ORM."""

from .connections import at_least, connections, position
from .exceptions import (
    ConflictError,
    CorruptDataError,
    FieldError,
    ImproperlyConfigured,
    IntegrityError,
    InvalidLookupValue,
    MultipleObjectsReturned,
    NotReplicated,
    NotSupportedError,
    NotUpdated,
    ObjectDoesNotExist,
    OrmistError,
    TopologyChanged,
    ValidationError,
)
from .fields import Field, field
from .models import (
    Collection,
    Manager,
    Model,
    TaggedAttrsModel,
    TaggedModel,
    Verbose,
    atomic,
)

__version__ = "0.2.0"

__all__ = [
    "Collection",
    "ConflictError",
    "CorruptDataError",
    "Field",
    "FieldError",
    "ImproperlyConfigured",
    "IntegrityError",
    "InvalidLookupValue",
    "Manager",
    "Model",
    "MultipleObjectsReturned",
    "NotReplicated",
    "NotSupportedError",
    "NotUpdated",
    "ObjectDoesNotExist",
    "OrmistError",
    "TaggedAttrsModel",
    "TaggedModel",
    "TopologyChanged",
    "ValidationError",
    "Verbose",
    "at_least",
    "atomic",
    "connections",
    "field",
    "position",
]
