"""Django's admin over models of ours.

from django_ormist import admin as ormist_admin

@ormist_admin.register(City)
class CityAdmin(ormist_admin.OrmistAdmin):
    list_display = ["name", "country"]
"""

from .filters import AttributeFilter, TagFilter
from .forms import OrmistForm
from .options import OrmistAdmin
from .registration import register

__all__ = ["AttributeFilter", "OrmistAdmin", "OrmistForm", "TagFilter", "register"]
