"""Lists of objects with declared attributes, beside those of Django's admin."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib.admin.templatetags import admin_list
from django.utils.html import escape

from django_ormist.admin.proxies import admin_model_for
from django_ormist.admin.value_text import to_text
from django_ormist.testing import assert_round_trips

from .conftest import url
from .declared import Shipment, SqlShipment
from .pages import Controls, controls, submitted, text_of
from .site import site

pytestmark = pytest.mark.servers("valkey91")

LIST = "tests_shipment_changelist"


@pytest.fixture
def both(root, sql):
    """The same shipments here and in SQL."""
    rows = [
        {"customer": "Ann", "state": "new", "price": Decimal("1.50"), "weight": 7},
        {"customer": "Bob", "state": "lost", "express": True, "note": "n"},
        {"customer": "Cid", "state": "new", "express": True},
    ]
    moments = [(2029, 12, 31, 23), (2030, 1, 1, 0), (2030, 3, 5, 7)]
    for number, (row, moment) in enumerate(zip(rows, moments, strict=True)):
        sent = datetime(*moment, tzinfo=UTC)
        Shipment.objects.create(id=f"{number}", sent=sent, day=sent.date(), **row)
        sql.objects.create(sent=sent, day=sent.date(), **row)


def shown(response):
    """Return the headers, cells, filters and moments of a list."""
    changelist = response.context["cl"]
    head = [each["text"] for each in admin_list.result_headers(changelist)][1:]
    filters = [
        [
            (str(choice["display"]), choice["selected"])
            for choice in spec.choices(changelist)
        ]
        for spec in changelist.filter_specs
    ]
    titles = [str(spec.title) for spec in changelist.filter_specs]
    moments = admin_list.date_hierarchy(changelist)
    return (
        list(map(str, head)),
        titles,
        filters,
        moments and [str(each["title"]) for each in moments["choices"]],
        moments and moments["back"] and moments["back"]["title"],
        [str(each) for each in changelist.result_list],
    )


QUERIES = [
    {},
    {"state": "new"},
    {"express": "True"},
    {"q": "Ann"},
    {"q": "7"},
    {"sent__year": "2030"},
    {"sent__year": "2030", "sent__month": "3"},
    {"sent__year": "2030", "sent__month": "3", "sent__day": "5"},
    {"sent__year": "2029", "state": "new"},
    {"sent__year": "2031"},
]


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_list_shows_what_django_shows(root, both, query):
    theirs = {
        {"state": "state__exact", "express": "express__exact"}.get(name, name): {
            "True": "1"
        }.get(value, value)
        for name, value in query.items()
    }
    ours = shown(root.get(url(LIST), query))
    assert ours == shown(root.get(url("tests_sqlshipment_changelist"), theirs))


def test_cells_show_labels_icons_and_local_formats(root, both):
    def cells(page):
        rows = text_of(root.get(url(page))).split("<tbody>")[1].split("</tbody>")[0]
        return [
            part.split("</td>")[0].split(">", 1)[1]
            for part in rows.split("field-state")[1:]
        ]

    assert cells(LIST) == cells("tests_sqlshipment_changelist")
    assert "Just in" in text_of(root.get(url(LIST)))


def test_the_moments_of_a_list_take_three_round_trips(root, both):
    with assert_round_trips(3 + 3):
        page = root.get(url(LIST), {"sent__year": "2030"})
    assert shown(page)[3] == ["January 2030", "March 2030"]


@pytest.mark.parametrize(
    "moments",
    [
        [],
        [date(2030, 2, 3)],
        [date(2030, 2, 3), date(2030, 2, 28)],
        [date(1, 1, 1), date(1999, 1, 1), date(9999, 12, 31)],
    ],
    ids=str,
)
def test_the_moments_of_dates_are_exact(root, sql, monkeypatch, moments):
    for moment in moments:
        Shipment.objects.create(customer="x", day=moment)
        sql.objects.create(customer="x", day=moment)
    found = []
    for model in (Shipment, SqlShipment):
        proxy = admin_model_for(model) if model is Shipment else model
        model_admin = site.get_model_admin(proxy)
        monkeypatch.setattr(model_admin, "date_hierarchy", "day")
        name = proxy._meta.model_name
        found.append(shown(root.get(url(f"tests_{name}_changelist")))[3:])
    assert found[0] == found[1]


@pytest.mark.parametrize("year", ["0", "x", "9999", "10000"])
def test_an_odd_year_in_the_address_is_no_error(root, both, year):
    response = root.get(url(LIST), {"sent__year": year})
    assert response.status_code in (200, 302)


def test_misfits_are_not_in_the_hierarchy(root, store):
    store(customer="Ann", sent="once")
    Shipment.objects.create(customer="Bob", sent=datetime(2030, 1, 1, tzinfo=UTC))
    assert shown(root.get(url(LIST)))[3] == ["January 1"]


def test_a_word_is_searched_where_the_type_allows_it(root, both):
    for word, number in {"Ann": 1, "7": 1, "1": 2, "x": 0}.items():
        page = root.get(url(LIST), {"q": word})
        assert page.context["cl"].result_count == number


def test_a_wrong_value_in_the_address_is_reported(root, both):
    response = root.get(url(LIST), {"price__gte": "many"})
    assert response.status_code == 302
    assert "must be a decimal number" in text_of(root.get(url(LIST)))


def test_a_filter_offers_none_where_it_is_valid(root, both, monkeypatch):
    monkeypatch.setattr(
        site.get_model_admin(admin_model_for(Shipment)),
        "list_filter",
        ["speed", "weight", "price"],
    )
    speeds, weights, _ = shown(root.get(url(LIST)))[2]
    assert [text for text, _ in speeds] == ["All", "1", "2", "None"]
    assert [text for text, _ in weights] == ["All", "1", "7"]
    page = root.get(url(LIST), {"speed__isnull": "True"})
    assert page.context["cl"].result_count == 3


def test_a_filter_counts_choices_in_groups(root, both, monkeypatch):
    monkeypatch.setattr(
        site.get_model_admin(admin_model_for(Shipment)), "list_filter", ["grade"]
    )
    Shipment.objects.filter(pk="1").update(grade=3)
    page = root.get(url(LIST), {"_facets": "True"})
    (grades,) = shown(page)[2]
    assert [text for text, _ in grades] == ["All", "one (2)", "two (0)", "three (1)"]
    assert root.get(url(LIST), {"grade": "3"}).context["cl"].result_count == 1


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize("has_form", [True, False])
@pytest.mark.parametrize("value", ["yes", "", 2, 0.5, Decimal("sNaN"), [1], b"\xff"])
def test_a_value_that_is_not_yes_or_no_is_shown(
    root, staff, store, monkeypatch, value, has_form
):
    store(customer="Ann", express=value)
    model_admin = site.get_model_admin(admin_model_for(Shipment))
    cells = ["express"] if has_form else []
    monkeypatch.setattr(model_admin, "list_display", ["customer", "express"])
    monkeypatch.setattr(model_admin, "list_editable", cells)
    assert "Ann" in text_of(root.get(url(LIST)))
    viewer = staff("view_shipment")
    text = escape(to_text(value).text)
    for page in (url(LIST), url("tests_shipment_change", "old")):
        assert re.search(
            f'icon-unknown[^>]* alt="{re.escape(text)}"', text_of(viewer.get(page))
        )


def test_a_list_of_choices_keeps_its_order_and_repeats(root, store, monkeypatch):
    store(customer="Ann", channels=["web", "mail", "web"])
    model_admin = site.get_model_admin(admin_model_for(Shipment))
    monkeypatch.setattr(model_admin, "list_display", ["customer", "channels", "note"])
    monkeypatch.setattr(model_admin, "list_editable", ["channels", "note"])
    data = submitted(root.get(url(LIST)), **{"form-0-note": "new", "_save": "Save"})
    assert root.post(url(LIST), data).status_code == 302
    found = Shipment.objects.get("old")
    assert (found.channels, found.note) == (["web", "mail", "web"], "new")


def test_cells_are_edited_with_the_controls_of_their_types(root, both, monkeypatch):
    model_admin = site.get_model_admin(admin_model_for(Shipment))
    names = ["weight", "state", "express", "sent", "note"]
    monkeypatch.setattr(model_admin, "list_display", ["customer", *names, "anything"])
    monkeypatch.setattr(model_admin, "list_editable", [*names, "anything"])
    assert model_admin.check() == []
    page = root.get(url(LIST))
    kinds = {name: controls(page)[f"form-0-{name}"] for name in names if name != "sent"}
    assert kinds == {
        "weight": "number",
        "state": "select",
        "express": "checkbox",
        "note": "text",
    }
    data = submitted(page, _save="Save")
    assert root.post(url(LIST), data).status_code == 302
    changes = {"form-0-weight": "9", "form-0-sent_0": "2031-01-01"}
    assert root.post(url(LIST), {**data, **changes}).status_code == 302
    found = Shipment.objects.get("2")
    assert (found.weight, found.sent.year, found.express) == (9, 2031, True)
    response = root.post(url(LIST), {**data, "form-0-weight": "0"})
    assert "greater than or equal to 1" in text_of(response)


def test_a_declared_cell_that_was_changed_concurrently_is_refused(root, both):
    data = submitted(root.get(url(LIST)), **{"form-0-note": "mine", "_save": "Save"})
    other = Shipment.objects.get("2")
    other.weight = 3
    other.save()
    assert root.post(url(LIST), data).status_code == 302
    assert Shipment.objects.get("2").note == "mine"
    response = root.post(url(LIST), {**data, "form-0-note": "yours"})
    assert "Another user changed it to mine" in text_of(response)


def test_a_cell_that_cannot_show_its_value_is_not_editable(root, store):
    store(customer="Ann", note="a\nb")
    page = root.get(url(LIST))
    assert "disabled" in text_of(page).split('name="form-0-note"')[1].split(">")[0]
    assert Controls(text_of(page)).tags["form-0-note"] == "text"
