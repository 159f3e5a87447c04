"""Registration, stubs, checks: nothing of SQL is touched."""

from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command

import django_ormist as ormist
from django_ormist import admin as ormist_admin
from django_ormist.admin.stubs import stub_name, stub_of
from tests.models import City, Page, Plain, User

from .site import CityAdmin, site

pytestmark = pytest.mark.servers("valkey91")


def ids(admin_class, model=City):
    """The ids of the errors that its check finds."""
    from django_ormist.admin.registration import declare, named_by

    declare(stub_of(model), named_by(admin_class))
    return [error.id for error in admin_class(stub_of(model), site).check()]


def test_no_migration_is_wanted(db, admin_settings):
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


def test_the_checks_of_django_find_nothing(admin_settings):
    call_command("check", fail_level="WARNING", stderr=StringIO())


def test_each_model_has_the_four_permissions(db):
    found = Permission.objects.filter(content_type__app_label="django_ormist")
    names = set(found.values_list("codename", flat=True))
    for verb in ("add", "change", "delete", "view"):
        assert f"{verb}_tests_city" in names
    assert "view_overview" in names
    assert "add_overview" not in names


def test_stale_content_types_are_not_ours(db):
    out = StringIO()
    call_command(
        "remove_stale_contenttypes", interactive=False, stdout=out, verbosity=2
    )
    assert ContentType.objects.filter(model="tests_city").exists()


def test_no_table_is_made_or_asked(db, server, django_assert_num_queries):
    from django.db import connection

    assert not [t for t in connection.introspection.table_names() if "city" in t]
    with django_assert_num_queries(0):
        City.objects.create(name="Rome")
        [stub] = stub_of(City)._default_manager.all()
        assert stub.name == "Rome"


@pytest.mark.parametrize("options", [{}, {"use_base_manager": True}])
def test_dumpdata_takes_nothing_of_redis(db, server, options):
    City.objects.create(name="Rome")
    out = StringIO()
    call_command("dumpdata", "django_ormist", stdout=out, **options)
    assert out.getvalue().strip() == "[]"


def test_a_stub_stands_for_its_object(server):
    stub = stub_of(City)(City.objects.create("old", name="Rome", population=1))
    assert (stub.pk, stub.name, stub.tags[0]) == (stub.ormist.id, "Rome", "old")
    stub.population = 2
    stub.save()
    assert City.objects.get(stub.pk).population == 2
    assert stub == stub_of(City)(City.objects.get(stub.pk))
    assert not hasattr(stub, "nothing")


def test_a_stub_can_be_pickled_and_copied(server):
    import copy
    import pickle

    stub = stub_of(City)(City.objects.create(name="Rome"))
    assert pickle.loads(pickle.dumps(stub)) == stub
    assert copy.copy(stub).name == "Rome"


def test_names_of_stubs_are_names_that_django_takes():
    class _Odd__(ormist.Model):
        class Meta:
            app_label = "a"

    assert stub_name(_Odd__) == "a_Odd"


def test_two_models_that_would_share_a_stub_are_refused():
    class Item(ormist.Model):
        class Meta:
            app_label = "one_two"

    class two_Item(ormist.Model):
        class Meta:
            app_label = "one"

    stub_of(Item)
    with pytest.raises(ormist.ImproperlyConfigured, match="one.two_Item and one_two"):
        stub_of(two_Item)


def test_only_models_of_ours_and_an_ormist_admin_are_registered():
    with pytest.raises(ValueError, match="At least one model"):
        ormist_admin.register()
    with pytest.raises(TypeError, match="no model of django_ormist"):
        ormist_admin.register(Permission)
    with pytest.raises(TypeError, match="must derive from OrmistAdmin"):
        ormist_admin.register(City)(admin.ModelAdmin)


def test_the_admin_of_the_tests_has_no_errors():
    assert CityAdmin(stub_of(City), site).check() == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("date_hierarchy", "expire"),
        ("inlines", [admin.TabularInline]),
        ("list_select_related", ["name"]),
        ("raw_id_fields", ["name"]),
        ("autocomplete_fields", ["name"]),
        ("filter_horizontal", ["tags"]),
        ("filter_vertical", ["tags"]),
        ("radio_fields", {"name": 1}),
        ("prepopulated_fields", {"name": ["country"]}),
        ("save_as", True),
    ],
)
def test_an_option_that_cannot_work_is_refused_by_name(option, value):
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
def test_what_no_index_answers_is_refused_with_the_line_to_add(option, value, mend):
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {option: value})
    [error] = odd(stub_of(City), site).check()
    assert error.id == "ormist.E203"
    assert mend in error.hint


def test_a_form_of_django_is_refused():
    from django.forms import ModelForm

    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {"form": ModelForm})
    assert ids(odd) == ["ormist.E202"]


def test_tags_of_a_model_without_tags_are_no_filter():
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {"list_filter": ["tags"]})
    assert ids(odd, Plain)


@pytest.mark.parametrize("name", ["ordering", "form", "media", "check", "objects"])
def test_an_attribute_may_have_a_name_of_djangos(root, server, name):
    page = Page()
    page.attrs[name] = "value"
    page.save()
    other = admin.AdminSite()
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), {"list_display": ["id", name]})
    errors = ids(odd, Page)
    assert errors in ([], ["admin.E108"])
    del other


def test_what_the_model_defines_is_a_column(server):
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
    stub = stub_of(Shown)(Shown(n=4))
    assert (stub.double(), stub.half) == (8, 2)
    assert type(stub).double.short_description == "twice"


def test_a_model_declared_again_keeps_its_stub_name():
    def declared():
        class Again(ormist.Model):
            class Meta:
                app_label = "tests"

        return Again

    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # as Django's own reloading
        one, two = stub_of(declared()), stub_of(declared())
    assert one is not two
    assert one.__name__ == two.__name__


def test_users_of_two_sites_share_a_stub():
    assert stub_of(User) is stub_of(User)
