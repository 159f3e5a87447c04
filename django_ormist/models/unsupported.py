"""Names of Django's API that are missing here, with their replacement.

They are not methods: ``hasattr()`` is False.
"""

from collections.abc import Mapping

MODEL = {
    "get_deferred_fields": "Every attribute is loaded at once.",
    "save_base": "Call save().",
}
"""Of instances."""

COLLECTION = {
    "alias": "Compute from the list, or use aggregate() or facets().",
    "annotate": "Compute from the list, or use aggregate() or facets().",
    "as_manager": "Call it on a class derived from Collection.",
    "dates": "Use values_list(name, flat=True).distinct(), or facets(name).",
    "datetimes": "Use values_list(name, flat=True).distinct(), or facets(name).",
    "db_manager": "Write using(alias), which has the same methods.",
    "defer": "An object is one value in Redis, read at once; values() gives parts.",
    "difference": "Combine collections: one - other.",
    "extra": "There is no SQL: find() takes tags, lookups and Q.",
    "fetch_mode": "Every attribute is loaded at once.",
    "from_queryset": "Write from_collection(YourCollection).",
    "intersection": "Combine collections: one & other.",
    "only": "An object is one value in Redis, read at once; values() gives parts.",
    "prefetch_related": "Write select_related(), or call in_bulk(ids) for other lists.",
    "raw": "There is no SQL: find() takes tags, lookups and Q.",
    "select_for_update": "Nothing is locked: save() merges, save(strict=True) refuses.",
    "union": "Combine collections: one | other.",
}
"""Of collections, their values, and managers."""

_ADMIN = "Register it with django_ormist.admin: @ormist_admin.register(...)."
_SERIALIZER = (
    "Use the ModelSerializer of django_ormist.rest_framework, and the formsets of "
    "django_ormist.forms. In place of a ForeignKey, declare a reference, ormist.ref(), "
    "or store an id."
)

OPTIONS = {
    "app_config": _ADMIN,
    "is_composite_pk": _ADMIN,
    "local_fields": "Dump objects with manage.py ormist_dump.",
    "pk": _SERIALIZER,
    "related_objects": _SERIALIZER,
    "swapped": _ADMIN,
}
"""Of ``Model._meta``, grouped by the part of Django that reads them first."""


_NAME_OPTION = "Set model_name and app_label, and KEY_PREFIX in ORMIST"
_NO_DATABASE = "Remove it: there is no table, and no migration"
_UNIQUE = "Write unique, a list of names and of tuples of names"

META = {
    "base_manager_name": "Remove it: the base manager is a plain Manager",
    "constraints": _UNIQUE,
    "db_table": _NAME_OPTION,
    "db_tablespace": _NO_DATABASE,
    "default_manager_name": "Declare that manager before the others",
    "default_related_name": "Pass related_name to ormist.ref()",
    "get_latest_by": "Name the attribute in the call, as in latest('published')",
    "indexes": "Write index_attrs for equal values, and ordered for ranges and orders",
    "managed": _NO_DATABASE,
    "ordering": "Call order_by(), or return it from get_queryset() of a manager",
    "proxy": "Write a manager, or derive both models from an abstract one",
    "unique_together": _UNIQUE,
}
"""Options of Django's Meta that are missing in ours, as part of a sentence."""


def missing_name(owner: str, name: str, advice: Mapping[str, str]) -> AttributeError:
    """Return the error for a name that *owner* lacks, with advice if there is any."""
    if name in advice:
        return AttributeError(f"{owner} has no {name!r}. {advice[name]}", name=name)
    return AttributeError(f"{owner!r} object has no attribute {name!r}", name=name)
