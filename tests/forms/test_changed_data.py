"""What a form leaves as it is stored, and what it takes from the data."""

from datetime import UTC, datetime
from typing import Literal

import pytest
from django.db import models
from django.forms import modelform_factory
from django.http import QueryDict
from django.utils import timezone

import django_ormist as ormist
from django_ormist import forms
from tests.admin.pages import Controls

pytestmark = pytest.mark.servers("valkey91")


def one():
    return 1


class Hamper(ormist.Model):
    title: str
    note: str = ""
    number: int | None = ormist.field(default_factory=one)
    at: datetime | None = ormist.field(default_factory=timezone.now)
    lines: list[int] = ormist.field(default_factory=list)

    class Meta:
        app_label = "tests"


class SqlHamper(models.Model):
    title = models.TextField()
    note = models.TextField(blank=True, default="")
    number = models.IntegerField(null=True, blank=True, default=one)
    at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    lines = models.JSONField(blank=True, default=list)

    class Meta:
        app_label = "tests"
        managed = False
        auto_created = True  # checks and makemigrations do not see it


class Die(ormist.Model):
    name: str = ""
    rolls: list[Literal[1, 2, 3]] = ormist.field(default_factory=list)
    sides: set[Literal[1, 2, 3]] = ormist.field(default_factory=set)
    mixed: Literal[1, "1", "x"] = "x"
    level: int = ormist.field(
        default=1, choices=[(1, "one"), ("more", [(2, "two"), (3, "three")])]
    )

    class Meta:
        app_label = "tests"


NAMES = ("title", "note", "number", "at", "lines")
STORED = {
    "title": "t",
    "note": "keep",
    "number": 5,
    "at": datetime(2030, 1, 2, tzinfo=UTC),
    "lines": [1, 2],
}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"note": "", "number": "", "at": "", "lines": ""},
        {"note": "x", "number": "1", "at": "2031-01-01", "lines": "[]"},
        {"number": "5", "lines": "[1, 2]"},
    ],
)
def test_data_without_hidden_inputs_is_taken_as_by_django(server, data):
    data = {"title": "new", **data}
    hamper = Hamper.objects.create(id="b", **STORED)
    ours = forms.modelform_factory(Hamper, fields=NAMES)(data, instance=hamper)
    sql = SqlHamper(**STORED)
    theirs = modelform_factory(SqlHamper, fields=NAMES)(data, instance=sql)
    assert ours.is_valid()
    assert theirs.is_valid()
    ours.save()
    theirs.save(commit=False)
    found = Hamper.objects.get("b")
    wanted = {name: getattr(sql, name) for name in NAMES}
    if data.get("lines") == "":
        wanted["lines"] = []  # Django's JSONField has None for it
    assert {name: getattr(found, name) for name in NAMES} == wanted


def test_changed_data_compares_with_the_object_without_hidden_inputs(server):
    hamper = Hamper.objects.create(**STORED)
    form_class = forms.modelform_factory(Hamper, fields=NAMES)
    same = {"title": "t", "note": "keep", "number": "5", "lines": "[1, 2]"}
    moment = {"at": "2030-01-02 00:00:00"}
    assert form_class({**same, **moment}, instance=hamper).changed_data == []
    changed = form_class({**same, **moment, "lines": "[]"}, instance=hamper)
    assert changed.changed_data == ["lines"]


def sent(form, **changes):
    """Return what a browser sends for a form, after some changes."""
    data = QueryDict(mutable=True)
    for name, value in {**Controls(str(form)).data, **changes}.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return data


DieForm = forms.modelform_factory(Die, fields="__all__")


@pytest.mark.parametrize(
    "stored",
    [
        {"rolls": [3, 1, 3]},
        {"rolls": [3, 1]},
        {"sides": {3, 1}},
        {"mixed": 1},
        {"mixed": "1"},
        {"level": 3},
    ],
)
def test_unchanged_choices_are_kept_as_they_are(server, stored):
    die = Die.objects.create(id="d", **stored)
    form = DieForm(sent(DieForm(instance=die), name="new"), instance=die)
    assert form.is_valid(), form.errors
    assert form.changed_data == ["name"]
    form.save()
    found = Die.objects.get("d").attrs
    assert found.items() >= {**stored, "name": "new"}.items()
    [(name, value)] = stored.items()
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(
    ("rolls", "wanted"), [(["1"], [1]), (["3", "1"], [3, 1]), ([], [])]
)
def test_other_choices_are_stored_as_they_were_sent(server, rolls, wanted):
    die = Die.objects.create(id="d", rolls=[1, 3])
    form = DieForm(sent(DieForm(instance=die), rolls=rolls), instance=die)
    form.save()
    assert Die.objects.get("d").rolls == wanted


def test_choices_in_groups(server):
    field = Die._meta.get_field("level")
    assert field.flatchoices == [(1, "one"), (2, "two"), (3, "three")]
    assert '<optgroup label="more">' in str(DieForm()["level"])
    assert Die.objects.create(level=3).get_level_display() == "three"
    with pytest.raises(ormist.ValidationError, match="not a valid choice"):
        Die.objects.create(level=4)
    form = DieForm({"level": "2", "mixed": "x"})
    assert form.save().level == 2


@pytest.mark.parametrize("choices", [["ab"], 3, [(1, 2, 3)], [("more", [1])]])
def test_choices_that_are_no_pairs_are_refused(choices):
    with pytest.raises(TypeError, match="choices are pairs of a value and a label"):
        ormist.field(choices=choices)
