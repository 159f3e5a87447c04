"""Registration, proxies and checks, without SQL tables."""

from decimal import Decimal
from io import StringIO

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.urls import reverse

import django_ormist as ormist
from django_ormist import admin as ormist_admin
from django_ormist.admin import permissions
from django_ormist.admin.permissions import create_permissions
from django_ormist.admin.proxies import admin_model_for, all_admin_models
from tests.models import City, Page, Plain, User

from .site import CityAdmin, site

pytestmark = pytest.mark.servers("valkey91")


def ids(admin_class, model=City):
    """Return the ids of the errors that its check finds."""
    from django_ormist.admin.registration import add_fields, names_in_options

    add_fields(admin_model_for(model), names_in_options(admin_class))
    return [error.id for error in admin_class(admin_model_for(model), site).check()]


@pytest.mark.parametrize("labels", [(), ("tests", "django_ormist")])
def test_migrations_are_not_needed(db, admin_settings, labels):
    options = {"check": True, "dry_run": True, "stdout": StringIO()}
    call_command("makemigrations", *labels, **options)


def test_checks_of_django_report_nothing(admin_settings, settings):
    # Tests of the panel may have registered the checks of the debug toolbar.
    settings.SILENCED_SYSTEM_CHECKS = ["debug_toolbar.W001"]
    call_command("check", fail_level="WARNING", stderr=StringIO())


def test_django_does_not_list_proxies_and_finds_each(admin_settings):
    proxy = admin_model_for(City)
    assert apps.get_model("tests.City") is proxy
    listed = [model.__module__ for model in apps.get_models()]
    assert not [module for module in listed if module.startswith("django_ormist")]


def test_each_model_has_the_four_permissions_of_its_app(db):
    found = Permission.objects.values_list("content_type__app_label", "codename")
    names = {f"{app_label}.{codename}" for app_label, codename in found}
    for action in ("add", "change", "delete", "view"):
        assert f"tests.{action}_city" in names
    assert "django_ormist.view_session" in names
    assert "django_ormist.view_overview" in names
    assert "django_ormist.add_overview" not in names


def test_permissions_are_created_once(db, django_assert_num_queries, monkeypatch):
    of_the_site = [
        (m, s) for m, s in all_admin_models() if m.__module__ == "tests.models"
    ]
    monkeypatch.setattr(permissions, "all_admin_models", lambda: of_the_site)
    sender = apps.get_app_config("django_ormist")
    create_permissions(sender=sender, using="default", apps=apps)
    before = Permission.objects.count()
    ContentType.objects.clear_cache()
    with django_assert_num_queries(3):
        create_permissions(sender=sender, using="default", apps=apps)
    assert Permission.objects.count() == before
    wanted = {"content_type__app_label": "tests", "codename": "view_city"}
    Permission.objects.filter(**wanted).delete()
    create_permissions(sender=sender, using="default")  # as flush sends the signal
    assert Permission.objects.filter(**wanted).count() == 1


@pytest.fixture
def own_content_types(db):
    """Lets a test change content types, which Django caches."""
    ContentType.objects.clear_cache()
    yield
    ContentType.objects.clear_cache()


def test_two_models_of_one_label_share_their_permissions(
    own_content_types, monkeypatch
):
    """As where a module of models was loaded again."""
    wanted = {"content_type__app_label": "tests", "codename": "view_city"}
    Permission.objects.filter(**wanted).delete()
    real = permissions._get_all_permissions
    monkeypatch.setattr(permissions, "_get_all_permissions", lambda m: real(m) * 2)
    create_permissions(using="default")
    assert Permission.objects.filter(**wanted).count() == 1


def test_granted_permissions_and_history_move_with_the_model(
    own_content_types, superuser
):
    ContentType.objects.filter(app_label="tests", model="city").delete()
    old = ContentType.objects.create(app_label="django_ormist", model="tests_city")
    granted = Permission.objects.create(
        content_type=old, codename="change_tests_city", name="Can change city"
    )
    superuser.user_permissions.add(granted)
    LogEntry.objects.create(user=superuser, content_type=old, action_flag=1)
    create_permissions(using="default", apps=apps)
    user = type(superuser).objects.get(pk=superuser.pk)
    user.is_superuser = False
    assert user.get_all_permissions() == {"tests.change_city"}
    assert LogEntry.objects.get().content_type == ContentType.objects.get_for_model(
        admin_model_for(City), for_concrete_model=False
    )
    wanted = {"content_type__app_label": "tests", "content_type__model": "city"}
    assert Permission.objects.filter(**wanted).count() == 4


def test_remove_stale_contenttypes_keeps_ours(own_content_types):
    out = StringIO()
    call_command(
        "remove_stale_contenttypes", interactive=False, stdout=out, verbosity=2
    )
    assert ContentType.objects.filter(app_label="tests", model="city").exists()


def test_a_model_is_listed_with_its_app(root):
    response = root.get(reverse("admin:index"))
    apps_of_models = {
        model["object_name"]: app["app_label"]
        for app in response.context["app_list"]
        for model in app["models"]
    }
    assert apps_of_models["City"] == "tests"
    assert apps_of_models["Session"] == "django_ormist"
    assert apps_of_models["Overview"] == "django_ormist"
    assert reverse("admin:tests_city_changelist") == "/admin/tests/city/"


def test_a_model_can_be_unregistered():
    other = admin.AdminSite(name="other")
    ormist_admin.register(City, Page, site=other)(ormist_admin.OrmistAdmin)
    ormist_admin.unregister(City, site=other)
    assert not other.is_registered(admin_model_for(City))
    assert other.is_registered(admin_model_for(Page))
    with pytest.raises(NotRegistered):
        ormist_admin.unregister(City, site=other)


def test_sql_tables_are_neither_created_nor_queried(
    db, server, django_assert_num_queries
):
    from django.db import connection

    assert not [t for t in connection.introspection.table_names() if "city" in t]
    with django_assert_num_queries(0):
        City.objects.create(name="Rome")
        [proxy] = admin_model_for(City)._default_manager.all()
        assert proxy.name == "Rome"


@pytest.mark.parametrize("options", [{}, {"use_base_manager": True}])
def test_dumpdata_does_not_dump_redis(db, server, options):
    City.objects.create(name="Rome")
    out = StringIO()
    call_command("dumpdata", "django_ormist", stdout=out, **options)
    assert out.getvalue().strip() == "[]"


def test_a_proxy_represents_its_object(server):
    proxy = admin_model_for(City)(City.objects.create("old", name="Rome", population=1))
    assert (proxy.pk, proxy.name, proxy.tags[0]) == (proxy.ormist.id, "Rome", "old")
    proxy.population = 2
    proxy.save()
    assert City.objects.get(proxy.pk).population == 2
    assert proxy == admin_model_for(City)(City.objects.get(proxy.pk))
    assert not hasattr(proxy, "nothing")


def test_a_proxy_can_be_pickled_and_copied(server):
    import copy
    import pickle

    proxy = admin_model_for(City)(City.objects.create(name="Rome"))
    assert pickle.loads(pickle.dumps(proxy)) == proxy
    assert copy.copy(proxy).name == "Rome"


@pytest.mark.parametrize(
    ("app_label", "name", "place"),
    [
        ("tests", "_Odd__", "tests.Odd"),
        ("a", "_Odd__", "django_ormist.a_Odd"),  # no such app
        ("auth", "Group", "django_ormist.auth_Group"),  # Django's own is there
        (None, "Nowhere", "django_ormist.Nowhere"),
    ],
)
def test_the_label_of_a_proxy_is_its_app_and_name(app_label, name, place):
    meta = type("Meta", (), {"app_label": app_label} if app_label else {})
    body = {"__module__": "nowhere", "Meta": meta}
    model = type(ormist.Model)(name, (ormist.Model,), body)
    assert admin_model_for(model)._meta.label == place


def test_two_models_with_one_proxy_name_are_refused():
    class Item(ormist.Model):
        class Meta:
            app_label = "one_two"

    class two_Item(ormist.Model):
        class Meta:
            app_label = "one"

    admin_model_for(Item)
    with pytest.raises(ormist.ImproperlyConfigured, match=r"one.two_Item and one_two"):
        admin_model_for(two_Item)


def test_register_refuses_other_models_and_admins():
    with pytest.raises(ValueError, match="At least one model"):
        ormist_admin.register()
    with pytest.raises(TypeError, match="not a model of django_ormist"):
        ormist_admin.register(Permission)
    with pytest.raises(TypeError, match="must derive from OrmistAdmin"):
        ormist_admin.register(City)(admin.ModelAdmin)


def test_the_admin_of_the_tests_has_no_errors():
    assert CityAdmin(admin_model_for(City), site).check() == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("inlines", [admin.TabularInline]),
        ("list_select_related", ["name"]),
        ("filter_horizontal", ["tags"]),
        ("filter_vertical", ["tags"]),
        ("save_as", True),
    ],
)
def test_an_unsupported_option_is_refused_by_name(option, value):
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {option: value})
    assert "ormist.E201" in ids(odd)


@pytest.mark.parametrize(
    ("option", "value", "mend"),
    [
        ("list_filter", ["code"], "Add it to City.Meta.ordered"),
        ("search_fields", ["mayor"], "Add it to City.Meta.index_attrs"),
        ("ordering", ["-code"], "Add it to City.Meta.ordered"),
    ],
)
def test_an_option_without_an_index_is_refused_with_a_fix(option, value, mend):
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {option: value})
    [error] = odd(admin_model_for(City), site).check()
    assert error.id == "ormist.E203"
    assert mend in error.hint


def test_declared_attributes_may_be_filtered_and_searched():
    class Declared(ormist.Model):
        number: int
        price: Decimal

        class Meta:
            index_attrs = ["number"]
            ordered = ["price"]

    both = {"list_filter": ["number", "price"], "search_fields": ["=number"]}
    even = type("EvenAdmin", (ormist_admin.OrmistAdmin,), both)
    assert ids(even, Declared) == []


def test_a_django_form_is_refused():
    from django.forms import ModelForm

    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {"form": ModelForm})
    assert ids(odd) == ["ormist.E202"]


def test_a_model_without_tags_cannot_be_filtered_by_tags():
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {"list_filter": ["tags"]})
    assert ids(odd, Plain)


@pytest.mark.parametrize("name", ["ordering", "form", "media", "check", "objects"])
def test_an_attribute_may_have_a_name_that_django_uses(root, server, name):
    page = Page()
    page.attrs[name] = "value"
    page.save()
    other = admin.AdminSite()
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {"list_display": ["id", name]})
    errors = ids(odd, Page)
    assert errors in ([], ["admin.E108"])
    del other


def test_members_of_the_model_can_be_columns(server):
    class Shown(ormist.Model):
        def double(self):
            return self.n * 2

        double.short_description = "twice"

        @property
        def half(self):
            return self.n / 2

    odd = type(
        "OddAdmin", (ormist_admin.OrmistAdmin,), {"list_display": ["double", "half"]}
    )
    assert ids(odd, Shown) == []
    proxy = admin_model_for(Shown)(Shown(n=4))
    assert (proxy.double(), proxy.half) == (8, 2)
    assert type(proxy).double.short_description == "twice"


def test_a_redeclared_model_keeps_its_proxy_name():
    def declared():
        class Again(ormist.Model):
            class Meta:
                app_label = "tests"

        return Again

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as Django's own reloading
        one, two = admin_model_for(declared()), admin_model_for(declared())
    assert one is not two
    assert one.__name__ == two.__name__


def test_two_admin_sites_share_a_proxy():
    assert admin_model_for(User) is admin_model_for(User)
