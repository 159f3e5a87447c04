"""The admin uses the declaration, as Django's own uses that of its models."""

from datetime import UTC, datetime, time
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.admin import HORIZONTAL
from django.contrib.admin.models import LogEntry

from django_ormist import admin as ormist_admin
from django_ormist.admin.proxies import admin_model_for
from tests.models import City

from .conftest import url
from .declared import (
    ClosedShipment,
    Shipment,
    ShipmentLine,
    State,
)
from .pages import controls, errors, submitted, text_of
from .site import site

pytestmark = pytest.mark.servers("valkey91")

ADD, LIST = "tests_shipment_add", "tests_shipment_changelist"
CHANGE = "tests_shipment_change"


def change(root, shipment, **values):
    page = root.get(url(CHANGE, shipment.pk))
    return root.post(url(CHANGE, shipment.pk), submitted(page, **values))


# ---------------------------------------------------------------- the form


def test_the_fields_are_those_of_a_django_model(root, sql):
    ours, theirs = root.get(url(ADD)), root.get(url("tests_sqlshipment_add"))
    kinds, wanted = controls(ours), controls(theirs)
    for name in ("note", "code"):  # a text without a limit has more than one line
        assert kinds.pop(name) == "textarea"
        del wanted[name]
    assert {name: kinds.get(name) for name in wanted} == wanted
    form, model_form = (p.context["adminform"].form for p in (ours, theirs))
    for name, each in model_form.fields.items():
        own = form.fields[name]
        assert (own.label, own.help_text) == (each.label, each.help_text)
        assert own.required == each.required
        assert form[name].initial == model_form[name].initial
        kind = type(each.widget)
        assert name in ("note", "code") or isinstance(own.widget, kind), name
    state = [pair for pair in form.fields["state"].choices if pair[0]]
    assert state == State.choices


def test_a_new_object_has_the_submitted_values_and_defaults(root):
    values = {
        "customer": "Ann",
        "price": "9.90",
        "state": "sent",
        "express": "on",
        "sent_0": "2030-12-31",
        "sent_1": "23:59:59",
        "lines": '[{"sku": "a", "number": "2"}]',
        "labels": '["x", "y"]',
        "size": "large",
        "ready": "07:30",
        "channels": "web",
        "_save": "Save",
    }
    response = root.post(url(ADD), submitted(root.get(url(ADD)), **values))
    assert response.status_code == 302, errors(response)
    [found] = Shipment.objects.all()
    assert found.attrs == {
        "customer": "Ann",
        "weight": 1,
        "price": Decimal("9.90"),
        "state": "sent",
        "speed": None,
        "express": True,
        "note": "",
        "sent": datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC),
        "day": None,
        "lines": [{"sku": "a", "number": 2, "notes": []}],
        "labels": frozenset({"x", "y"}),
        "code": "",
        "origin": "web",
        "anything": None,
        "size": "large",
        "ready": time(7, 30),
        "channels": ["web"],
        "marker": "x",
        "grade": 1,
    }
    assert found.lines == [ShipmentLine("a", 2)]


def test_the_errors_are_those_of_a_django_model_on_their_fields(root, sql):
    wrong = {
        "customer": "",
        "weight": "0",
        "price": "many",
        "state": "gone",
        "sent_0": "tomorrow",
        "code": "abc",
    }
    found = []
    for page in (ADD, "tests_sqlshipment_add"):
        data = submitted(root.get(url(page)), **wrong)
        response = root.post(url(page), data)
        found.append(dict(response.context["adminform"].form.errors))
    assert found[0] == found[1]
    assert found[0].keys() == {*wrong, "sent"} - {"sent_0"}
    assert Shipment.objects.count() == 0


def test_a_save_without_a_change_changes_nothing(root, server):
    shipment = Shipment.objects.create(
        customer=" Ann\r\nLee ",
        price=Decimal("1E+3"),
        note="a\nb\r\n",
        sent=datetime(2030, 12, 31, 23, 59, 59, 7, tzinfo=UTC),
        lines=[ShipmentLine("é", 2, ["x"])],
        labels={"x"},
        size="large",
        ready=time(7, 30, 1, 5),
        anything={"a": (1, b"b")},
        other="undeclared",
    )
    packed = server.client.get(shipment._key())
    assert change(root, shipment, _save="Save").status_code == 302
    assert server.client.get(shipment._key()) == packed
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


def test_a_change_is_saved_and_recorded_by_name(root):
    shipment = Shipment.objects.create(customer="Ann", lines=[ShipmentLine("a")])
    lines = '[{"sku": "b", "number": 3, "notes": []}]'
    response = change(root, shipment, lines=lines, weight="7", state="lost")
    assert response.status_code == 302
    shipment.refresh_from_db()
    assert (shipment.weight, shipment.state) == (7, State.LOST)
    assert shipment.lines == [ShipmentLine("b", 3)]
    message = LogEntry.objects.get().get_change_message()
    assert message == "Changed weight, state and lines."


def test_an_object_from_before_the_declaration_shows_the_defaults(root, store):
    shipment = store(customer="Ann")
    page = root.get(url(CHANGE, "old"))
    assert submitted(page)["weight"] == "1"
    change(root, shipment, note="new")
    assert Shipment.objects.get("old").attrs == {"customer": "Ann", "note": "new"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight", "7 kg"),
        ("price", Decimal("Infinity")),
        ("state", "gone"),
        ("speed", 3),
        ("sent", datetime(2030, 1, 1)),
        ("lines", [{"sku": 1}]),
        ("express", "yes"),
        ("note", "\0"),
        ("labels", ["x", "x"]),
        ("customer", None),
        ("size", "5"),
        ("size", True),
        ("ready", "noon"),
        ("ready", time(7, tzinfo=UTC)),
        ("channels", ["fax"]),
        ("channels", "web"),
        ("channels", ["web", "mail"]),
        ("channels", ["mail", "mail"]),
        ("marker", "1"),
        ("grade", 4),
    ],
)
def test_a_stored_value_that_does_not_fit_stays_until_it_is_changed(
    root, store, name, value
):
    attrs = {"customer": "Ann", name: value}
    shipment = store(**attrs)
    page = root.get(url(CHANGE, "old"))
    assert name not in controls(page)
    assert "cannot show the stored value" in text_of(page)
    assert change(root, shipment, code="A").status_code == 302
    assert Shipment.objects.get("old").attrs == {**attrs, "code": "A"}


@pytest.mark.parametrize("page", [CHANGE, ADD])
def test_an_expiration_time_that_is_too_late_is_an_error_of_its_field(root, page):
    shipment = Shipment.objects.create(id="old", customer="Ann")
    address = url(page) if page == ADD else url(page, shipment.pk)
    late = {"expire_0": "9999-12-31", "expire_1": "23:59:59", "customer": "Bob"}
    response = root.post(address, submitted(root.get(address), **late))
    assert "not a moment that can be stored" in errors(response)
    assert [each.customer for each in Shipment.objects.all()] == ["Ann"]


def test_a_stored_value_that_does_not_fit_can_be_replaced(root, store):
    shipment = store(customer="Ann", weight="7 kg")
    response = change(root, shipment, **{"weight-kind": "integer", "weight-value": "0"})
    assert errors(response) == "Ensure this value is greater than or equal to 1."
    change(root, shipment, **{"weight-kind": "integer", "weight-value": "7"})
    assert Shipment.objects.get("old").weight == 7
    assert "weight" in controls(root.get(url(CHANGE, "old")))


def test_a_required_attribute_that_is_absent_is_stored_if_unchanged(root, store):
    shipment = store(weight=1)
    assert "This field is required." in errors(change(root, shipment, weight="2"))


def test_what_is_not_editable_is_shown(root):
    shipment = Shipment.objects.create(customer="Ann", origin="shop")
    page = root.get(url(CHANGE, shipment.pk))
    assert "origin" not in controls(page)
    assert '<div class="readonly">shop</div>' in text_of(page)
    change(root, shipment, origin="forged", **{"attrs-9-name": "origin"})
    assert Shipment.objects.get(shipment.pk).origin == "shop"


def test_undeclared_attributes_keep_their_editor(root):
    shipment = Shipment.objects.create(customer="Ann", other="x")
    page = root.get(url(CHANGE, shipment.pk))
    assert submitted(page)["attrs-0-value"] == "x"
    assert "attrs-1-key" not in controls(page)
    new = {"attrs-8-name": "more", "attrs-8-kind": "integer", "attrs-8-value": "1"}
    change(root, shipment, **new)
    assert Shipment.objects.get(shipment.pk).more == 1
    taken = {**new, "attrs-8-name": "weight"}
    assert "cannot be changed here" in errors(change(root, shipment, **taken))


def test_a_model_with_declared_attributes_only_has_no_editor_for_others(root):
    page = root.get(url("tests_closedshipment_add"))
    assert not [name for name in controls(page) if name.startswith("attrs")]
    assert "prepopulate" in text_of(page)
    data = submitted(page, name="x", _save="Save")
    assert root.post(url("tests_closedshipment_add"), data).status_code == 302
    assert ClosedShipment.objects.get().name == "x"


def test_a_value_of_any_type_keeps_the_column_for_the_type(root):
    shipment = Shipment.objects.create(customer="Ann", anything=1)
    change(root, shipment, **{"anything-kind": "text", "anything-value": "1"})
    assert Shipment.objects.get(shipment.pk).anything == "1"


def test_a_declared_counter_has_its_texts_and_bounds(root):
    shipment = Shipment.objects.create(customer="Ann", views=3)
    page = root.get(url(CHANGE, shipment.pk))
    field = page.context["adminform"].form.fields["views"]
    assert (field.label, field.help_text) == ("Seen", "How often.")
    assert "greater than or equal to 0" in errors(change(root, shipment, views="-1"))
    change(root, shipment, views="5")
    assert Shipment.objects.get(shipment.pk).views == 5


def test_a_viewer_sees_the_values_as_in_a_list(staff):
    shipment = Shipment.objects.create(
        customer="Ann", express=True, state="sent", lines=[ShipmentLine("a")], other="x"
    )
    page = text_of(staff("view_shipment").get(url(CHANGE, shipment.pk)))
    assert "On its way" in page
    assert "icon-yes.svg" in page
    assert "ShipmentLine(sku=" in page
    assert "<dt>other</dt><dd>x</dd>" in page
    assert "<dt>customer</dt>" not in page


def test_initial_values_come_from_the_address(root):
    page = root.get(url(ADD), {"state": "sent", "weight": "9"})
    assert submitted(page)["state"] == "sent"
    assert submitted(page)["weight"] == "9"


# ---------------------------------------------------------------- options


def options_page(root, monkeypatch, model=Shipment, page=ADD, **options):
    """Return a page of an admin whose class has these options too."""
    model_admin = site.get_model_admin(admin_model_for(model))
    for name, value in options.items():
        monkeypatch.setattr(model_admin, name, value)
    assert model_admin.check() == []
    return root.get(url(page))


def test_choices_may_be_radio_buttons(root, monkeypatch):
    radio = {"state": HORIZONTAL, "speed": HORIZONTAL}
    page = options_page(root, monkeypatch, radio_fields=radio)
    assert controls(page)["state"] == controls(page)["speed"] == "radio"
    assert submitted(page)["state"] == "new"
    data = submitted(page, customer="Ann", speed="2", state="lost")
    assert root.post(url(ADD), data).status_code == 302
    assert (Shipment.objects.get().speed, Shipment.objects.get().state) == (2, "lost")


def test_fieldsets_and_widgets_are_those_of_the_class(root, monkeypatch):
    from django.contrib.admin.widgets import AdminTextInputWidget
    from django.db import models

    page = options_page(
        root,
        monkeypatch,
        fieldsets=[("Main", {"fields": [("customer", "weight"), "note"]})],
        readonly_fields=["weight"],
        formfield_overrides={models.TextField: {"widget": AdminTextInputWidget}},
    )
    assert controls(page)["note"] == "text"
    assert "weight" not in controls(page)
    assert "price" not in controls(page)
    assert "Main" in text_of(page)


def test_an_excluded_attribute_is_neither_shown_nor_filtered(root, monkeypatch):
    page = options_page(root, monkeypatch, exclude=["note", "sent"])
    assert "note" not in controls(page)
    Shipment.objects.create(customer="Ann", sent=datetime(2030, 1, 1, tzinfo=UTC))
    assert "toplinks" not in text_of(root.get(url(LIST)))


def check(model=Shipment, **options):
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), options)
    other = admin.AdminSite()
    ormist_admin.register(model, site=other)(odd)
    return other.get_model_admin(admin_model_for(model)).check()


@pytest.mark.parametrize(
    ("model", "options", "ids"),
    [
        (ClosedShipment, {"fields": ["name", "places"]}, ["ormist.E204"]),
        (
            ClosedShipment,
            {"fieldsets": [(None, {"fields": [("name", "places")]})]},
            ["ormist.E204"],
        ),
        (ClosedShipment, {"list_display": ["places"]}, ["admin.E108"]),
        (ClosedShipment, {"list_filter": ["places"]}, ["admin.E116", "ormist.E203"]),
        (ClosedShipment, {"search_fields": ["place", "places"]}, ["ormist.E203"]),
        (ClosedShipment, {"readonly_fields": ["places"]}, ["admin.E035"]),
        (Shipment, {"radio_fields": {"note": HORIZONTAL}}, ["admin.E023"]),
        (City, {"radio_fields": {"mayor": HORIZONTAL}}, ["admin.E022"]),
        (City, {"prepopulated_fields": {"code": ["name"]}}, ["ormist.E204"] * 2),
        (City, {"prepopulated_fields": ["code"]}, ["admin.E026"]),
        (Shipment, {"date_hierarchy": "weight"}, ["admin.E128", "ormist.E203"]),
        (Shipment, {"date_hierarchy": "price"}, ["admin.E128"]),
        (City, {"date_hierarchy": "founded"}, ["admin.E128"]),
        (Shipment, {"date_hierarchy": "expire"}, ["ormist.E203"]),
        (
            Shipment,
            {"search_fields": ["weight", "price", "sent", "note"]},
            ["ormist.E203"],
        ),
        (Shipment, {"list_filter": ["day", "sent", "note"]}, ["ormist.E203"]),
        (Shipment, {"fields": ["undeclared", "note"]}, []),
    ],
)
def test_a_misspelt_or_unsuitable_name_is_an_error(server, model, options, ids):
    assert [error.id for error in check(model, **options)] == ids


def test_the_hint_of_a_misspelt_name_suggests_another(server):
    for option in ("fields", "search_fields"):
        [error] = check(ClosedShipment, **{option: ["places"]})
        assert "Did you mean 'place'?" in error.hint
