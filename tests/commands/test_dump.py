"""ormist_dump and ormist_load keep values, types and order."""

import io
import json
import os
import stat
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

import django_ormist as ormist
from django_ormist.management.commands import ormist_dump, ormist_load
from tests.checker import raw_faults
from tests.models import City, Page, Plain, Todo

pytestmark = pytest.mark.servers("valkey91", "valkey91-resp3", "fakeredis")

EVERY_TYPE = {
    "text": "ä\x00\n\U0001f600",
    "int": -3,
    "big": 2**200,
    "float": 0.1,
    "inf": float("inf"),
    "yes": True,
    "none": None,
    "bytes": b"\x00\xff",
    "list": [1, [2, (3, {4})]],
    "dict": {"a": 1, 2: "b", (3,): frozenset({4})},
    "aware": datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    "naive": datetime(2024, 1, 2),
    "date": date(2024, 2, 29),
    "time": time(1, 2, 3),
    "span": timedelta(days=-1, microseconds=1),
    "decimal": Decimal("1.500"),
    "uuid": UUID(int=7),
    "na:me *[]{}": "$",
    "$": {"$": ["set", 1]},
}


@pytest.fixture
def other(server, settings):
    """A second alias, with a prefix of its own and the other codec."""
    settings.ORMIST = {
        **settings.ORMIST,
        "other": dict(
            settings.ORMIST["default"],
            KEY_PREFIX=f"{server.key_prefix}:other",
            CODEC="json",
        ),
    }
    return f"{server.key_prefix}:other"


@pytest.fixture
def stored(server):
    Plain.objects.create(**EVERY_TYPE)
    Page.objects.create("b", "a", site="s", views=3, votes=-1, expire=10_000)
    Page.objects.bulk_create(Page("x", n=n) for n in range(700))
    City.objects.create(code="BE", population=5, name="Bern", id="b*[]{}:\n")
    for _ in range(3):
        Todo.objects.create("later", id=f"{_}")
    Todo.objects.get("0").delete()


def facts(model, using):
    return [
        (
            each.id,
            repr(sorted(each.attrs.items())),
            sorted(each.tags),
            each.expire,
            {n: getattr(each, n) for n in model._meta.counters},
        )
        for each in model.objects.using(using).all()
    ]


def test_a_loaded_dump_is_equal_and_in_order(stored, other, command, server, tmp_path):
    file = str(tmp_path / "dump")
    said = command("ormist_dump", "--output", file)
    assert f"Wrote 705 objects to {file}." in said
    said = command("ormist_load", file, "--using", "other")
    assert said == "Stored 705 objects.\n"
    for model in (Plain, Page, City, Todo):
        assert facts(model, "other") == facts(model, "default")
    assert Plain.objects.using("other").first().attrs == EVERY_TYPE
    assert raw_faults(server.client, other) == []
    again = command("ormist_load", file, "--using", "other")
    assert again == "Stored 0 objects; skipped 705 stored objects.\n"


def test_dump_writes_to_stdout_and_load_reads_stdin(stored, other, command):
    lines = command("ormist_dump", "tests.Todo")
    assert [json.loads(line)["id"] for line in lines.splitlines()] == ["1", "2"]
    assert lines.isascii()
    command("ormist_load", "-", "--using", "other", stdin=lines)
    assert Todo.objects.using("other").find("later").ids() == ["1", "2"]


BROKEN = {
    "no json": "{",
    "a list": "[]",
    "a key too few": '{"model": "tests.Todo"}',
    "an unknown model": ("model", "tests.Nope"),
    "an id that is none": ("id", 3),
    "an id that no key can hold": ("id", "\ud800"),
    "attrs that are none": ("attrs", []),
    "a value of an unknown type": ("attrs", {"x": {"$": ["nope", 1]}}),
    "tags that are none": ("tags", [1]),
    "a deadline that is none": ("expire", "soon"),
    "a counter that nobody declared": ("counters", {"views": 1}),
    "another version": ("v", 3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_an_invalid_line_is_named_and_the_others_are_loaded(
    name, other, command, tmp_path
):
    for n in range(250):
        Todo.objects.create("x", id=f"{n}")
    lines = command("ormist_dump", "tests.Todo").splitlines()
    broken = BROKEN[name]
    if isinstance(broken, tuple):
        broken = json.dumps({**json.loads(lines[122]), broken[0]: broken[1]})
    lines[122] = broken
    file, rejects = tmp_path / "dump", tmp_path / "rejects"
    file.write_text("\n".join(lines))
    err = io.StringIO()
    with pytest.raises(CommandError, match="Not stored: line 123") as error:
        call_command(
            "ormist_load", str(file), using="other", rejects=str(rejects), stderr=err
        )
    assert error.value.returncode == 1
    assert err.getvalue().startswith("Line 123: ")
    assert rejects.read_text() == f"{broken}\n"
    ids = Todo.objects.using("other").find("x").ids()
    assert ids == [f"{n}" for n in range(250) if n != 122]


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"'])
def test_a_line_that_is_not_utf8_gives_a_clear_error(text, other, command, tmp_path):
    Todo.objects.create(id="one", text="here")
    line = command("ormist_dump", "tests.Todo").encode()
    file, err = tmp_path / "dump", io.StringIO()
    file.write_bytes(line.replace(b'"one"', text))
    with pytest.raises(CommandError, match="line 1"):
        call_command("ormist_load", str(file), using="other", stderr=err)
    said = "Line 1: it has bytes that are not UTF-8, or a lone surrogate.\n"
    assert err.getvalue() == said


def test_an_id_that_holds_another_object_is_refused_skipped_or_replaced(
    other, command, tmp_path
):
    Todo.objects.create("x", id="one", text="dumped")
    Todo.objects.create("x", id="two")
    file = tmp_path / "dump"
    command("ormist_dump", "tests.Todo", "--output", str(file))
    Todo.objects.using("other").create(id="one", text="newer")

    def load(**options):
        return command("ormist_load", str(file), using="other", **options)

    with pytest.raises(CommandError, match="line 1"):
        load()
    assert Todo.objects.using("other").get("one").text == "newer"
    assert load(existing="skip") == "Stored 0 objects; skipped 2 stored objects.\n"
    assert Todo.objects.using("other").get("one").text == "newer"
    assert load(existing="replace") == "Stored 1 object; skipped 1 stored object.\n"
    assert Todo.objects.using("other").get("one").text == "dumped"


@pytest.mark.parametrize(
    ("dumped", "stored", "is_equal"),
    [
        ({"a": 1, "b": {2, 3}}, {"b": {3, 2}, "a": 1}, True),
        ({"a": [({1: 2, 3: 4},)]}, {"a": [({3: 4, 1: 2},)]}, True),
        ({"a": {1: 2}}, {"a": {True: 2}}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1.0}}, False),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": [1]}, {"a": [1, 2]}, False),
        ({"a": [1]}, {"a": (1,)}, False),
    ],
)
def test_an_object_is_equal_whatever_the_order_of_its_dicts(
    dumped, stored, is_equal, other, command
):
    Plain.objects.create(id="one", **dumped)
    line = command("ormist_dump", "tests.Plain")
    Plain.objects.using("other").create(id="one", **stored)
    if is_equal:
        said = command("ormist_load", "-", using="other", stdin=line)
        assert said == "Stored 0 objects; skipped 1 stored object.\n"
    else:
        with pytest.raises(CommandError, match="line 1"):
            command("ormist_load", "-", using="other", stdin=line)


def test_a_taken_unique_value_is_named(other, command):
    City.objects.create(code="A", id="one")
    lines = command("ormist_dump", "tests.City")
    City.objects.using("other").create(code="A", id="two")
    with pytest.raises(CommandError, match="line 1"):
        command("ormist_load", "-", using="other", stdin=lines)


def test_objects_that_expired_since_the_dump_are_counted(other, command):
    Todo.objects.create("x", id="one", expire=1000)
    line = json.loads(command("ormist_dump", "tests.Todo"))
    line["expire"] = 1000
    said = command("ormist_load", "-", using="other", stdin=json.dumps(line))
    assert said == "Stored 0 objects; 1 expired since the dump.\n"


def test_an_interrupted_dump_can_be_resumed(stored, command, monkeypatch, tmp_path):
    file, whole = tmp_path / "dump", tmp_path / "whole"
    command("ormist_dump", "--output", str(whole))
    real, calls = ormist_dump.run, []

    def interrupted(flow, using):
        calls.append(flow)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(flow, using)

    monkeypatch.setattr(ormist_dump, "run", interrupted)
    with pytest.raises(CommandError, match="--resume") as error:
        command("ormist_dump", "--output", str(file))
    assert error.value.returncode == 130
    monkeypatch.undo()
    with pytest.raises(CommandError, match="--resume"):
        command("ormist_dump", "--output", str(file))
    file.write_bytes(file.read_bytes()[:-5])  # as a full disk leaves it
    command("ormist_dump", "--output", str(file), "--resume")
    assert file.read_text() == whole.read_text()


def test_an_interrupted_load_names_the_line_to_resume_from(
    stored, other, command, monkeypatch
):
    lines = command("ormist_dump", "tests.Page")
    real, calls = ormist_load.Command.load, []

    def interrupted(self, some):
        calls.append(some)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, some)

    monkeypatch.setattr(ormist_load.Command, "load", interrupted)
    with pytest.raises(CommandError, match="--from-line 201"):
        command("ormist_load", "-", using="other", stdin=lines)
    monkeypatch.undo()
    options = {"using": "other", "from_line": 201, "stdin": lines}
    assert command("ormist_load", "-", **options) == "Stored 501 objects.\n"
    assert facts(Page, "other") == facts(Page, "default")


def test_an_unreadable_object_is_named_and_the_others_are_dumped(command, server):
    Todo.objects.create(id="good")
    Todo.objects.create(id="bad")
    server.client.set(Todo._meta.space("default").objects + b"bad", b"garbage")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match="1 object"):
        call_command("ormist_dump", "tests.Todo", stdout=out, stderr=err)
    assert json.loads(out.getvalue())["id"] == "good"
    assert ":o:bad" in err.getvalue()


def test_missing_files_are_named(command, tmp_path):
    with pytest.raises(CommandError, match="Cannot open"):
        command("ormist_load", str(tmp_path / "none"))
    with pytest.raises(CommandError, match="Cannot write"):
        command("ormist_dump", "--output", str(tmp_path / "no" / "folder"))
    with pytest.raises(CommandError, match="Cannot go on"):
        command("ormist_dump", "--output", str(tmp_path / "none"), "--resume")
    with pytest.raises(CommandError, match="needs --output"):
        command("ormist_dump", "--resume")


def test_dump_shows_progress_only_on_a_terminal(stored, command, tmp_path):
    said = command("ormist_dump", "--output", str(tmp_path / "a"), terminal=True)
    assert "\rtests.Page: " in said or "\rtests.City: " in said
    assert "\r" not in command("ormist_dump", "--output", str(tmp_path / "b"))


# ---------------------------------------------------------------- files, hostile lines


def line_of(**changes):
    """Return a valid line with these changes."""
    plain = {
        "model": "tests.Plain",
        "id": "fine",
        "created": 1,
        "v": 1,
        "attrs": {},
        "tags": [],
        "expire": None,
        "counters": {},
    }
    return json.dumps({**plain, **changes})


@pytest.mark.parametrize("through", ["itself", "a link", "another name"])
def test_rejects_do_not_overwrite_a_file(through, command, server, tmp_path):
    dump = tmp_path / "dump"
    dump.write_text(line_of() + "\nbroken\n")
    kept = dump.read_bytes()
    rejects = dump
    if through == "a link":
        rejects = tmp_path / "link"
        rejects.symlink_to(dump)
    elif through == "another name":
        rejects = tmp_path / "other"
        rejects.hardlink_to(dump)
    with pytest.raises(CommandError, match=r"exists\. Remove it"):
        command("ormist_load", str(dump), rejects=str(rejects))
    assert dump.read_bytes() == kept
    assert Plain.objects.count() == 0


def test_a_dangling_link_is_not_followed(command, server, tmp_path):
    dump, link = tmp_path / "dump", tmp_path / "link"
    dump.write_text("broken\n")
    link.symlink_to(tmp_path / "new")
    with pytest.raises(CommandError, match="exists"):
        command("ormist_load", str(dump), rejects=str(link))
    with pytest.raises(CommandError, match="exists"):
        command("ormist_dump", "tests.Plain", output=str(link))
    assert not (tmp_path / "new").exists()


def test_only_this_user_can_read_the_files(command, server, tmp_path):
    Plain.objects.create(secret=1)
    dump, rejects = tmp_path / "dump", tmp_path / "rejects"
    kept = os.umask(0)
    try:
        command("ormist_dump", "tests.Plain", output=str(dump))
        with dump.open("a") as file:
            file.write("broken\n")
        with pytest.raises(CommandError, match="Not stored: line 2"):
            command("ormist_load", str(dump), rejects=str(rejects))
    finally:
        os.umask(kept)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (dump, rejects)}
    assert modes == {0o600}


def test_without_rejects_the_file_is_not_created(command, server, tmp_path):
    dump, rejects = tmp_path / "dump", tmp_path / "rejects"
    dump.write_text(line_of() + "\n")
    command("ormist_load", str(dump), rejects=str(rejects))
    assert not rejects.exists()


@pytest.mark.parametrize("text", ["secret", "a\nb", "a\nb\n", '{"model"\n', "\x00\n"])
def test_a_file_that_is_not_a_dump_is_not_resumed(text, command, server, tmp_path):
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(CommandError, match="Cannot go on"):
        command("ormist_dump", "tests.Plain", output=str(file), resume=True)
    assert file.read_text() == text


HOSTILE_LINES = {
    "an array without end": "[" * 100_000,
    "attributes without end": line_of(attrs={"a": 0}).replace("0", "[" * 100_000, 1),
    "tuples without end": '{"$": ["tuple", [' * 50_000,
    "a deep value": line_of(attrs={"a": json.loads("[" * 440 + "]" * 440)}),
    "a value one too deep": line_of(attrs={"a": json.loads("[" * 101 + "]" * 101)}),
    "a far deadline": line_of(expire=10**30),
    "a deadline past 9999": line_of(expire=253_402_300_800_000),
    "an early deadline": line_of(expire=-(10**30)),
    "an infinite deadline": line_of(expire=float("inf")),
    "a long number": line_of(created=777).replace("777", "9" * 5000),
    "a far counter": line_of(model="tests.Page", counters={"views": 10**30}),
    "a counter that is none": line_of(model="tests.Page", counters={"views": "5"}),
    "no id": line_of(id=""),
    "half a surrogate": line_of(attrs={"a": "\ud800"}),
    "half a surrogate as an id": line_of(id="\udfff"),
    "a zone with controls": line_of(
        attrs={"a": {"$": ["datetime", [0, 0, "../\x1b[2J\x07"]]}}
    ),
    "a model with controls": line_of(model="\x1b]0;x\x07"),
    "a counter with controls": line_of(counters={"\x1b[2J": 1}),
    "no model": line_of(model="tests.Nothing"),
    "tags that are none": line_of(tags=[1]),
    "no attributes": line_of(attrs=[]),
}


@pytest.mark.parametrize("name", HOSTILE_LINES)
def test_a_hostile_line_is_named_and_the_others_are_loaded(
    name, command, server, tmp_path
):
    dump = tmp_path / "dump"
    lines = [line_of(id="first"), HOSTILE_LINES[name], line_of(id="last")]
    dump.write_text("\n".join(lines))
    err = io.StringIO()
    with pytest.raises(CommandError, match=r"Not stored: line 2\."):
        call_command("ormist_load", str(dump), stderr=err, verbosity=0)
    assert err.getvalue().startswith("Line 2: ")
    assert err.getvalue().removesuffix("\n").isprintable()
    assert Plain.objects.all().ids() == ["first", "last"]


def test_a_damaged_stored_object_rejects_only_its_own_line(command, server, tmp_path):
    server.client.set(Plain(id="bad")._key(), b"\x01garbage")
    dump = tmp_path / "dump"
    dump.write_text("\n".join(line_of(id=pk) for pk in ("a", "bad", "b")))
    with pytest.raises(CommandError, match=r"Not stored: line 2\."):
        command("ormist_load", str(dump))
    assert Plain.objects.get("a") != Plain.objects.get("b")


SESSION = line_of(model="django_ormist.Session", id="2::" + "a" * 64)


def test_sessions_are_loaded_only_on_request(command, server, tmp_path):
    from django_ormist.sessions.model import Session

    dump = tmp_path / "dump"
    dump.write_text(f"{line_of()}\n{SESSION}\n")
    with pytest.raises(CommandError, match=r"Not stored: line 2\."):
        command("ormist_load", str(dump))
    assert (Plain.objects.count(), Session.objects.count()) == (1, 0)
    command("ormist_load", str(dump), sessions=True)
    assert Session.objects.all().delete()[0] == 1
    with pytest.raises(CommandError, match=r"Not stored: line 1\."):
        command("ormist_load", str(dump), model=["django_ormist.Session"])
    assert Session.objects.all().delete()[0] == 1


def test_a_load_of_some_models_skips_the_others(command, server, tmp_path):
    dump, rejects = tmp_path / "dump", tmp_path / "rejects"
    lines = [line_of(), line_of(model="tests.Todo"), line_of(model="tests.Page")]
    dump.write_text("\n".join(lines) + "\n")
    with pytest.raises(CommandError, match=r"Not stored: line 2\."):
        command(
            "ormist_load",
            str(dump),
            model=["tests.Plain", "tests.Page"],
            rejects=str(rejects),
        )
    assert rejects.read_text() == lines[1] + "\n"
    with pytest.raises(CommandError, match="Nothing"):
        command("ormist_load", str(dump), model=["tests.Nothing"])


def test_load_keeps_to_a_declaration(command, server, tmp_path):
    dump = tmp_path / "dump.jsonl"

    def declare(**namespace):
        meta = type("Meta", (), {"app_label": "tests", "model_name": "Loaded"})
        body = {"__module__": __name__, "Meta": meta, **namespace}
        return type(ormist.Model)("Loaded", (ormist.Model,), body)

    free = declare()
    free.objects.bulk_create(
        [free(id="good", size="7"), free(id="bad", size="x"), free(id="old", name="n")]
    )
    command("ormist_dump", "tests.Loaded", output=str(dump))
    free.objects.all().delete()
    types = {"size": int, "name": str}
    Loaded = declare(__annotations__=types, size=1, name="")
    err = io.StringIO()
    with pytest.raises(CommandError, match="Not stored: line 2"):
        call_command("ormist_load", str(dump), verbosity=0, stderr=err)
    assert "“x” value must be an integer" in err.getvalue()
    assert Loaded.objects.get("good").attrs == {"size": 7}
    assert Loaded.objects.get("old").attrs == {"name": "n"}
