"""Options of Django's ModelAdmin that have no meaning here are refused by name."""

from typing import Any

from django.contrib.admin.checks import ModelAdminChecks
from django.core.checks import CheckMessage, Error

_SQL = "It needs SQL. Remove it."
REFUSED = {
    "date_hierarchy": "Filter by an attribute of Meta.ordered instead.",
    "inlines": "An object has no related rows. Remove it.",
    "list_select_related": "There is nothing to join. Remove it.",
    "raw_id_fields": "An object has no foreign keys. Remove it.",
    "autocomplete_fields": "An object has no foreign keys. Remove it.",
    "filter_horizontal": "An object has no many-to-many fields. Remove it.",
    "filter_vertical": "An object has no many-to-many fields. Remove it.",
    "radio_fields": "An attribute has no choices. Remove it.",
    "prepopulated_fields": "Attributes share one editor. Remove it.",
    "save_as": "Values that a form cannot show would be lost. Remove it.",
}


class OrmistAdminChecks(ModelAdminChecks):
    """Django's checks of an admin, and ours."""

    def check(self, admin_obj: Any, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(admin_obj, **kwargs), *refused_options(admin_obj)]


def refused_options(admin_obj: Any) -> list[CheckMessage]:
    """An error for each option that has no meaning here."""
    return [
        Error(
            f"The value of '{option}' cannot be used by an OrmistAdmin.",
            hint=mend,
            obj=type(admin_obj),
            id="ormist.E201",
        )
        for option, mend in REFUSED.items()
        if getattr(admin_obj, option, None)
    ]
