"""ormist_load restores what was dumped, whatever the model's own save() does."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

import django_ormist as ormist
from django_ormist import signals
from django_ormist.management.commands import ormist_load
from django_ormist.models import registry
from tests.checker import raw_faults
from tests.models import City, Plain

pytestmark = pytest.mark.servers("valkey91", "valkey91-resp3", "fakeredis")


@pytest.fixture
def declare():
    """Declares the model ``tests.Loaded``: ``declare(size=int)``."""
    before = list(registry._models)

    def declared(namespace=None, using="default", **types):
        body = {"__module__": __name__, "__annotations__": types, **(namespace or {})}
        meta = {"app_label": "tests", "model_name": "Loaded", "using": using}
        body["Meta"] = type("Meta", (), meta)
        return type(ormist.Model)("Loaded", (ormist.Model,), body)

    yield declared
    registry._models[:] = before


@pytest.fixture
def counted(declare):
    """A model whose save() counts its calls in the attribute ``revision``."""

    def save(self, *args, **options):
        self.revision = self.attrs.get("revision", 0) + 1
        ormist.Model.save(self, *args, **options)

    return declare({"save": save})


@pytest.fixture
def heard():
    """The signals that are sent while it is in use."""
    names, receivers = [], []
    for each in ("pre_save", "post_save", "pre_delete", "post_delete"):

        def receive(name=each, **arguments):
            names.append(name)

        getattr(signals, each).connect(receive)
        receivers.append((each, receive))
    yield names
    for each, receive in receivers:
        getattr(signals, each).disconnect(receive)


def revisions(model):
    return {each.id: each.attrs["revision"] for each in model.objects.all()}


@pytest.mark.parametrize("existing", ["refuse", "skip", "replace"])
def test_a_load_neither_calls_save_nor_sends_signals(
    existing, counted, heard, command, server
):
    for pk in ("a", "b", "c"):
        counted(id=pk).save()
    dump = command("ormist_dump", "tests.Loaded")
    counted.objects.get("a").delete()
    counted.objects.get("c").delete()
    if existing != "refuse":
        counted.objects.filter(pk="b").update(revision=7)
    heard.clear()
    command("ormist_load", "-", stdin=dump, existing=existing)
    kept = 7 if existing == "skip" else 1
    assert revisions(counted) == {"a": 1, "b": kept, "c": 1}
    assert heard == []
    assert raw_faults(server.client, server.key_prefix) == []


def test_a_resumed_load_neither_calls_save_nor_sends_signals(counted, heard, command):
    for pk in ("a", "b", "c"):
        counted(id=pk).save()
    dump = command("ormist_dump", "tests.Loaded")
    counted.objects.filter(pk__in=["a", "c"]).delete()
    heard.clear()
    command("ormist_load", "-", "--from-line", "2", stdin=dump)
    assert revisions(counted) == {"b": 1, "c": 1}
    assert heard == []


def test_a_converted_object_is_skipped_beside_an_invalid_one(declare, command):
    free = declare()
    free.objects.bulk_create([free(id="bad", size="x"), free(id="good", size="7")])
    dump = command("ormist_dump", "tests.Loaded")
    free.objects.all().delete()
    declare(size=int)
    for _ in range(2):
        with pytest.raises(CommandError, match=r"Not stored: line 1\."):
            command("ormist_load", "-", stdin=dump)


def line_of(**changes):
    """Return a valid line with these changes."""
    plain = {"model": "tests.Plain", "id": "one", "created": 1, "v": 1, "attrs": {}}
    return json.dumps({**plain, "tags": [], "expire": None, "counters": {}, **changes})


def test_a_taken_id_is_refused_with_the_option_that_helps(command, server):
    Plain.objects.create(id="one", text="newer")
    with pytest.raises(CommandError) as error:
        command("ormist_load", "-", stdin=line_of())
    assert error.value.errors == (
        "Line 1: its id is taken by a different object. Keep that one with --existing "
        "skip, or replace it with --existing replace.\n"
    )


def test_a_taken_unique_value_names_its_holder_alone(command, server):
    City.objects.create(code="A", id="two")
    line = line_of(model="tests.City", attrs={"code": "A"})
    with pytest.raises(CommandError) as error:
        command("ormist_load", "-", stdin=line)
    assert error.value.errors == (
        "Line 1: Cannot save City 'one': code='A' is taken by City 'two'. Choose "
        "another value, or change that object first.\n"
    )


@pytest.mark.parametrize("text", ["", line_of()])
def test_an_unknown_alias_ends_a_load_at_once(text, command, server, tmp_path):
    file, rejects = tmp_path / "dump", tmp_path / "rejects"
    file.write_text(text)
    with pytest.raises(CommandError, match="'typo' doesn't exist") as error:
        command("ormist_load", str(file), "--using", "typo", rejects=str(rejects))
    assert error.value.errors == ""
    assert not rejects.exists()


def test_a_model_with_an_unknown_alias_ends_a_load_at_once(declare, command, tmp_path):
    declare(using="typo")
    rejects = tmp_path / "rejects"
    lines = "\n".join(line_of(model="tests.Loaded", id=pk) for pk in "ab")
    with pytest.raises(CommandError, match="'typo' doesn't exist") as error:
        command("ormist_load", "-", stdin=lines, rejects=str(rejects))
    assert error.value.errors == ""
    assert not rejects.exists()


@pytest.mark.parametrize("number", ["0", "-3"])
def test_a_line_number_below_one_is_refused(number, command, server):
    with pytest.raises(
        CommandError, match=f"--from-line takes 1 or more, not {number}"
    ):
        command("ormist_load", "-", "--from-line", number, stdin=line_of())
    assert Plain.objects.count() == 0


@pytest.mark.parametrize("number", ["3", "999", str(10**30)])
def test_a_line_number_after_the_end_is_refused(number, command, server):
    lines = f"{line_of()}\n{line_of(id='two')}\n"
    with pytest.raises(CommandError, match=f"{number} is after the last line.* 2"):
        command("ormist_load", "-", "--from-line", number, stdin=lines)
    command("ormist_load", "-", "--from-line", "2", stdin=lines)
    assert Plain.objects.all().ids() == ["two"]


def test_an_empty_dump_is_loaded(command, server):
    assert command("ormist_load", "-", stdin="") == "Stored 0 objects.\n"


def test_a_write_that_was_not_replicated_ends_a_load(command, server, monkeypatch):
    def refuse(self, *args, **options):
        raise ormist.exceptions.NotReplicated("Confirmed by 0 of 1 replicas.")

    monkeypatch.setattr(ormist_load.Collection, "bulk_create", refuse)
    with pytest.raises(CommandError, match="Confirmed by 0 of 1 replicas"):
        command("ormist_load", "-", stdin=line_of())


def interrupt_second_batch(monkeypatch):
    real, calls = ormist_load.Command.load, []

    def interrupted(self, some):
        calls.append(some)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, some)

    monkeypatch.setattr(ormist_load.Command, "load", interrupted)


def test_an_interrupted_load_asks_for_another_file_of_rejects(
    command, server, monkeypatch, tmp_path
):
    lines = [line_of(id=f"{n}") for n in range(150)]
    file, first, second = (tmp_path / name for name in ("dump", "first", "second"))
    file.write_text("\n".join(["broken", *lines]))
    with monkeypatch.context() as patched:
        interrupt_second_batch(patched)
        with pytest.raises(CommandError) as error:
            command("ormist_load", str(file), rejects=str(first))
    assert str(error.value) == (
        "Interrupted. Run the same command again with --from-line 101 and another file "
        "for --rejects to go on."
    )
    command("ormist_load", str(file), rejects=str(second), from_line=101)
    assert first.read_text() == "broken\n"
    assert Plain.objects.all().ids() == [f"{n}" for n in range(150)]


def test_a_load_that_is_interrupted_in_its_first_lines_is_repeated(server):
    class Interrupted(io.StringIO):
        def __next__(self):
            raise KeyboardInterrupt

    with pytest.raises(CommandError) as error:
        call_command("ormist_load", "-", stdin=Interrupted())
    assert str(error.value) == "Interrupted. Run the same command again to go on."
