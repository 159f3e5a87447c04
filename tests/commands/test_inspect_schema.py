"""ormist_inspect --schema compares the declaration with a sample of the objects."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from django.core.management import CommandError, call_command
from django.core.validators import MinValueValidator, RegexValidator

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.keys import counters_key, object_key
from django_ormist.management.schema_report import format_example
from django_ormist.operations.scan import spread_ranks
from tests.commands.conftest import Terminal
from tests.models import Plain

pytestmark = pytest.mark.servers("valkey91")


def refuse_seven(value):
    if value + 0 == 7:
        raise ormist.ValidationError("Not seven.", code="seven")


@dataclass
class Line:
    sku: str
    number: int = 1


class SchemaOrder(ormist.TaggedModel):
    owner: int
    total: Decimal = Decimal(0)
    state: Literal["open", "paid"] = "open"
    size: Annotated[int, MinValueValidator(1)] = 1
    code: Annotated[str, RegexValidator("^[a-z]*$")] = ""
    lines: list[Line] = ormist.field(default_factory=list)
    anything: Annotated[Any, refuse_seven] = 0
    api_token: str | None = None
    views: int = 0

    class Meta:
        app_label = "tests"
        index_attrs = ["owner", "state", "channel"]
        ordered = ["total"]
        unique = ["api_token", ("owner", "code")]
        counters = ["views"]
        pending_indexes = ["total"]


class SchemaStrict(ormist.Model):
    name: str = ""

    class Meta:
        app_label = "tests"
        declared_only = True


@pytest.fixture
def schema(command):
    def call(model, *words, **options):
        printed = command(
            "ormist_inspect", model._meta.label, "--schema", *words, format="json"
        )
        return json.loads(printed)["models"][0]

    return call


@pytest.fixture
def store(server):
    """Stores attributes as they are, as an earlier release of a project did."""

    def stored(model, pk, **attrs):
        space = model._meta.space("default")
        server.client.zadd(space.main_keys[0], {pk: stored.number})
        stored.number += 1
        server.client.set(object_key(space, pk), pack(attrs, []))

    stored.number = 1
    return stored


def attribute(found, name):
    return next(each for each in found["attributes"] if each["name"] == name)


def misfits(found):
    return {
        (each["attribute"], each["problem"]): (each["count"], each["ids"])
        for each in found["misfits"]
    }


def test_the_declaration_and_the_indexes_are_shown(schema):
    found = schema(SchemaOrder)
    assert attribute(found, "owner") == {
        "name": "owner",
        "is_declared": True,
        "type": "int",
        "required": True,
        "default": None,
        "choices": None,
        "validators": [],
        "verbose_name": "owner",
        "indexes": ["indexed", "unique"],
        "is_pending": False,
        "count": 0,
        "share": None,
        "types": {},
        "examples": [],
    }
    state, total = attribute(found, "state"), attribute(found, "total")
    assert state["choices"] == [["open", "open"], ["paid", "paid"]]
    assert state["default"] == "'open'"
    assert (total["indexes"], total["is_pending"]) == (["ordered"], True)
    assert attribute(found, "size")["validators"] == ["MinValueValidator(1)"]
    assert attribute(found, "code")["validators"] == ["RegexValidator('^[a-z]*$')"]
    assert attribute(found, "anything")["validators"] == ["refuse_seven"]
    assert attribute(found, "lines")["default"] == "list()"
    assert attribute(found, "views")["indexes"] == ["counter"]
    channel = attribute(found, "channel")
    assert (channel["is_declared"], channel["indexes"]) == (False, ["indexed"])
    assert found["unique"] == [["api_token"], ["owner", "code"]]
    assert (found["pending"], found["declared_only"]) == (["total"], False)
    assert found["misfits"] == []


def test_the_sample_counts_the_types_and_shows_examples(schema):
    SchemaOrder.objects.create(id="a", owner=1, note="x", lines=[Line("s")])
    SchemaOrder.objects.create(id="b", owner=2, note=7).increment("views", 3)
    found = schema(SchemaOrder)
    assert (found["count"], found["sampled"], found["unreadable"]) == (2, 2, 0)
    note = attribute(found, "note")
    assert (note["is_declared"], note["types"]) == (False, {"str": 1, "int": 1})
    assert sorted(note["examples"]) == ["'x'", "7"]
    owner = attribute(found, "owner")
    assert (owner["count"], owner["share"], owner["types"]) == (2, 1, {"int": 2})
    assert attribute(found, "views")["examples"] == ["3"]
    assert attribute(found, "views")["share"] == 0.5
    assert found["misfits"] == []


def test_what_does_not_fit_is_counted_with_the_first_ids(schema, store):
    fitting = {"owner": 1, "total": Decimal(1), "state": "open", "code": "a"}
    fitting["api_token"] = "t"
    for number in range(5):
        store(SchemaOrder, f"{number}", **fitting | {"owner": str(number)})
    store(SchemaOrder, "choice", **fitting | {"state": "lost"})
    store(SchemaOrder, "least", **fitting | {"size": 0, "code": "A"})
    store(SchemaOrder, "seven", **fitting | {"anything": 7})
    store(SchemaOrder, "odd", **fitting | {"anything": "odd"})
    store(SchemaOrder, "bare")
    found = misfits(schema(SchemaOrder))
    assert found["owner", "str: would be converted to int"] == (5, ["0", "1", "2"])
    assert found["state", "str: invalid_choice"] == (1, ["choice"])
    assert found["size", "int: min_value"] == (1, ["least"])
    assert found["code", "str: invalid"] == (1, ["least"])
    assert found["anything", "int: seven"] == (1, ["seven"])
    assert found["anything", "str: TypeError of a validator"] == (1, ["odd"])
    assert found["owner", "absent, and has no default"] == (1, ["bare"])
    unfilled = "absent, so its index lacks the default: run ormist_reindex --fill"
    assert {name for name, problem in found if problem == unfilled} == {
        *("state", "total", "code", "api_token")
    }


def test_undeclared_attributes_misfit_only_where_they_are_refused(schema, store):
    store(SchemaStrict, "a", name="x", old=1)
    problem = "not declared, and Meta.declared_only is set"
    assert misfits(schema(SchemaStrict)) == {("old", problem): (1, ["a"])}
    Plain.objects.create(anything=1)
    assert schema(Plain)["misfits"] == []


def test_damaged_objects_are_counted(schema, server):
    for pk in ("good", "bad", "uncounted"):
        SchemaOrder.objects.create(id=pk, owner=1, code=pk[0], api_token=pk)
    space = SchemaOrder._meta.space("default")
    server.client.set(object_key(space, "bad"), b"\x00")
    server.client.hset(counters_key(space, "uncounted"), "views", "many")
    found = schema(SchemaOrder)
    assert (found["sampled"], found["unreadable"]) == (3, 2)
    assert found["misfits"][-1]["ids"] == ["bad", "uncounted"]
    assert attribute(found, "owner")["count"] == 2


def test_secrets_are_masked_as_on_the_error_pages_of_django(command, store):
    store(SchemaOrder, "a", owner=1, api_token=["s3cret"], data={"password": "s3cret"})
    for kind in ("json", "table"):
        printed = command(
            "ormist_inspect", "tests.SchemaOrder", schema=True, format=kind
        )
        assert "s3cret" not in printed
        assert "list: " in printed


def test_a_table_shows_it_to_people(command, store):
    store(SchemaOrder, "a", owner="7", **{"na\x07me": 1})
    store(SchemaOrder, "b", owner="7")
    printed = command("ormist_inspect", "tests.SchemaOrder", "--schema")
    lines = printed.splitlines()
    assert lines[0] == "tests.SchemaOrder (default)"
    assert lines[2].split() == ["declared", "type", "default", "choices", "validators"]
    row = "state      Literal['open', 'paid']  'open'        'open', 'paid'  -"
    assert row in lines
    assert "2 of 2 objects read, 0 unreadable." in lines
    assert "indexed, unique with code" in printed
    assert "ordered, pending" in printed
    assert r"'na\x07me' (not declared)" in printed
    row = [
        "owner",
        "str:",
        "would",
        "be",
        "converted",
        "to",
        "int",
        "2",
        "'7'",
        "a,",
        "b",
    ]
    assert row in [line.split() for line in lines]


def test_a_model_that_declares_nothing_is_shown_too(command):
    Plain.objects.create(text="x", n=1)
    printed = command("ormist_inspect", "tests.Plain", "--schema")
    assert "declared" not in printed.replace("not declared", "").split("Nothing")[0]
    assert "text       -       100.0%  str (1)       'x'" in printed
    assert printed.endswith("Nothing that was read contradicts the declaration.\n")
    assert "No other attribute is allowed." in command(
        "ormist_inspect", "tests.SchemaStrict", "--schema"
    )


def test_all_models_are_shown_without_a_label(command):
    found = json.loads(command("ormist_inspect", "--schema", format="json"))
    labels = [each["model"] for each in found["models"]]
    assert {"tests.SchemaOrder", "tests.Plain"} <= set(labels)
    assert "tests.Plain (default)" in command("ormist_inspect", schema=True)


@pytest.mark.parametrize(
    ("total", "size", "places"),
    [
        (0, 5, []),
        (3, 5, [[range(3)]]),
        (1500, 9999, [[range(1000)], [range(1000, 1500)]]),
        (10, 2, [[range(1), range(5, 6)]]),
    ],
)
def test_the_places_of_a_sample(total, size, places):
    assert spread_ranks(total, size) == places


def test_a_large_sample_is_read_in_batches():
    assert [len(step) for step in spread_ranks(10**6, 2500)] == [1000, 1000, 500]


def test_wrong_options_are_refused(command):
    with pytest.raises(CommandError, match="leave the id out"):
        command("ormist_inspect", "tests.Plain", "x", "--schema")
    with pytest.raises(CommandError, match="--sample needs --schema"):
        command("ormist_inspect", "tests.Plain", "--sample", "5")
    with pytest.raises(CommandError, match="--sample takes 1 to 1000000"):
        command("ormist_inspect", "tests.Plain", "--schema", "--sample", "0")


def test_a_terminal_sees_the_progress_and_a_pipe_does_not(command):
    Plain.objects.create(n=1)
    assert command("ormist_inspect", "tests.Plain", schema=True).errors == ""
    err = Terminal()
    call_command("ormist_inspect", "tests.Plain", schema=True, stdout=err, stderr=err)
    assert "tests.Plain: 0 of 1 objects" in err.getvalue()


def test_a_value_that_python_cannot_write_is_shown_by_its_type():
    assert format_example(10**5000) == "<int>"
    assert format_example("x" * 99) == f"'{'x' * 36}..."
