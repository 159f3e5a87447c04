"""An admin site over the models of the tests, and its URLs."""

from django.contrib import admin
from django.urls import path

from django_ormist import admin as ormist_admin
from django_ormist.sessions import Session
from tests.models import City, Page, Plain, Todo, Token, User

from . import declared

site = admin.AdminSite()


class BeginningFilter(admin.SimpleListFilter):
    """A filter as Django's users write one."""

    title = "name"
    parameter_name = "begins"

    def lookups(self, request, model_admin):
        return [("R", "with R"), ("P", "with P")]

    def queryset(self, request, queryset):
        if self.value():
            return queryset.filter(name__startswith=self.value())
        return None


@ormist_admin.register(City, site=site)
class CityAdmin(ormist_admin.OrmistAdmin):
    list_display = ["name", "country", "population", "is_large"]
    list_filter = ["country", "tags", "population", BeginningFilter]
    search_fields = ["id", "tags", "country", "name"]
    list_per_page = 10
    actions = ["double"]

    @admin.display(description="large", boolean=True)
    def is_large(self, obj):
        return obj.attrs.get("population", 0) > 1_000_000

    @admin.action(description="Double the population", permissions=["change"])
    def double(self, request, queryset):
        for city in queryset:
            city.population *= 2
            city.save()
        self.message_user(request, f"{queryset.count()} doubled.")


@ormist_admin.register(User, site=site)
class UserAdmin(ormist_admin.OrmistAdmin):
    list_display = ["id", "name", "age", "bio"]
    list_editable = ["name", "age"]
    readonly_fields = ["rank"]
    exclude = ["secret"]


@ormist_admin.register(Page, site=site)
class PageAdmin(ormist_admin.OrmistAdmin):
    list_display = ["title", "views"]
    list_editable = ["views"]
    list_filter = ["site"]
    fields = ["id", "title", "views", "votes", "tags", "expire"]


ormist_admin.register(Plain, Todo, Token, site=site)(ormist_admin.OrmistAdmin)
declared.register(site)
ormist_admin.register(Session, site=site)(ormist_admin.SessionAdmin)

urlpatterns = [path("admin/", site.urls)]
