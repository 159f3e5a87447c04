"""The code of docs/reference/writing.rst runs."""

import pytest

import django_ormist as ormist
from tests.docs.pages import blocks, run


def test_the_code_of_the_page_runs(server):
    assert len(blocks("reference/writing")) == 5
    run("reference/writing")


def test_the_methods_that_validate_are_those_of_the_page(server):
    calls = []

    class Checked(ormist.Model):
        class Meta:
            index_attrs = ["name"]
            ordered = ["size"]
            unique = ["code"]
            counters = ["views"]

        def validate(self):
            calls.append(self.attrs.get("name"))

    def count(act):
        calls.clear()
        act()
        return len(calls)

    objects = Checked.objects
    one = objects.create(name="a", size=1)
    conflicts = {
        "update_conflicts": True,
        "update_fields": ["size"],
        "unique_fields": ["code"],
    }
    for act in (
        lambda: one.save(),
        lambda: one.save(update_fields=["size"]),
        lambda: objects.create(name="b"),
        lambda: objects.get_or_create(name="new"),
        lambda: objects.update_or_create({"size": 2}, name="a"),
        lambda: objects.update_or_create({"size": 2}, name="newer"),
        lambda: objects.bulk_create([Checked(code=1, size=1)], **conflicts),
        lambda: objects.bulk_create([Checked(code=1, size=2)], **conflicts),
        lambda: objects.bulk_save([one]),
    ):
        assert count(act) == 1
    for act in (
        lambda: objects.get_or_create(name="a"),
        lambda: objects.bulk_update([one], ["size"]),
        lambda: objects.find(name="a").update(size=3),
        lambda: objects.find(name="a").set_expire(60),
        lambda: one.increment("views"),
        lambda: one.delete(),
        lambda: objects.find(name="b").delete(),
    ):
        assert count(act) == 0


def test_bulk_methods_validate_every_object_before_they_write_the_first(server):
    class Refusing(ormist.Model):
        def validate(self):
            if self.attrs.get("size", 0) < 0:
                raise ormist.ValidationError("It is below zero.")

    objects = Refusing.objects
    for act in (objects.bulk_create, objects.bulk_save):
        with pytest.raises(ormist.ValidationError):
            act([Refusing(size=1), Refusing(size=-1)])
        assert objects.count() == 0
