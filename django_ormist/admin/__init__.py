"""Django's admin over models of ours.

from django_ormist import admin as ormist_admin

@ormist_admin.register(City)
class CityAdmin(ormist_admin.OrmistAdmin):
    list_display = ["name", "country"]
"""

from .filters import AttributeFilter, ChoicesFilter, RangeFilter, TagFilter
from .forms import OrmistForm
from .options import OrmistAdmin
from .registration import register, unregister
from .sessions import SessionAdmin

__all__ = [
    "AttributeFilter",
    "ChoicesFilter",
    "OrmistAdmin",
    "OrmistForm",
    "RangeFilter",
    "SessionAdmin",
    "TagFilter",
    "register",
    "unregister",
]
