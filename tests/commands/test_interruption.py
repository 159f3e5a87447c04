"""The message of an interrupted command says what is done, and how to go on."""

import pytest
from django.core.management import CommandError

from django_ormist.management import verification
from django_ormist.management.commands import (
    ormist_dump,
    ormist_flush,
    ormist_import_sessions,
    ormist_inspect,
    ormist_reindex,
)
from django_ormist.models import registry
from tests.commands.test_reindex import declared
from tests.models import Plain, Todo

pytestmark = pytest.mark.servers("valkey91")

AGAIN = "Interrupted. Run the same command again to go on."


@pytest.fixture
def interrupt(monkeypatch):
    """Makes the n-th call of a function raise: ``interrupt(module, "run", 3)``."""

    def patch(module, name, moment=1):
        real, calls = getattr(module, name), []

        def interrupted(*args, **options):
            calls.append(args)
            if len(calls) == moment:
                raise KeyboardInterrupt
            return real(*args, **options)

        monkeypatch.setattr(module, name, interrupted)

    return patch


@pytest.fixture
def message_of(command, monkeypatch):
    """Returns the message of an interrupted command."""

    def run(*words, **options):
        with pytest.raises(CommandError) as error:
            command(*words, **options)
        assert error.value.returncode == 130
        monkeypatch.undo()
        return str(error.value)

    return run


@pytest.fixture
def second(server, settings):
    """A second alias, with a prefix of its own."""
    other = dict(settings.ORMIST["default"], KEY_PREFIX=f"{server.key_prefix}:2")
    settings.ORMIST = {**settings.ORMIST, "second": other}


# ---------------------------------------------------------------- ormist_reindex


def lines_of(message):
    first, *lines = message.splitlines()
    assert first == "Interrupted. Run these commands to go on:"
    return [line.strip() for line in lines]


def test_a_reindex_of_one_model_repeats_its_options(
    interrupt, message_of, second, monkeypatch
):
    monkeypatch.setattr(ormist_reindex, "OBJECTS_A_STEP", 1)
    Todo.objects.using("second").create("x")
    last = Todo.objects.using("second").create("x")
    created = last.created.timestamp()
    interrupt(ormist_reindex.Verification, "check_index")
    message = message_of(
        *("ormist_reindex", "tests.Todo", "--using", "second", "--fill"),
        verbosity=0,
        settings="tests.settings of mine",
    )
    after = message.partition("--after ")[2].split()[0]
    assert abs(int(after) / 1e6 - created) < 1
    assert message == (
        f"Interrupted. Run ormist_reindex tests.Todo --after {after} --fill --using "
        "second --settings 'tests.settings of mine' --verbosity 0 to go on."
    )


def test_a_reindex_of_all_models_names_those_that_are_left(
    command, interrupt, message_of, server
):
    Todo.objects.bulk_create(Todo("x") for _ in range(3))
    interrupt(ormist_reindex.Verification, "check_index", 3)
    labels = [model._meta.label for model in registry.all_models()][2:]
    lines = lines_of(message_of("ormist_reindex", "--fill"))
    assert lines == [f"ormist_reindex {label} --fill" for label in labels]


def test_the_printed_commands_complete_an_interrupted_reindex(
    command, interrupt, message_of, server, monkeypatch
):
    with declared() as Thing:
        Thing.objects.bulk_create(Thing("t", id=f"{n}", city="c") for n in range(3))
    with declared(index_attrs=["city"]) as Thing:
        Todo.objects.bulk_create(Todo("x", id=f"{n}") for n in range(4))
        monkeypatch.setattr(ormist_reindex, "OBJECTS_A_STEP", 2)
        interrupt(ormist_reindex.verify, "check_ids", 2)
        message = message_of("ormist_reindex")
        assert Thing.objects.find(city="c").count() == 2
        assert "ormist_reindex tests.Thing --after" in message
        for line in lines_of(message):
            command(*line.split())
        assert Thing.objects.find(city="c").count() == 3


def test_a_reindex_that_has_not_begun_is_repeated(interrupt, message_of, server):
    interrupt(ormist_reindex.Verification, "check_entries")
    assert message_of("ormist_reindex") == AGAIN
    interrupt(ormist_reindex.Verification, "check_entries")
    assert message_of("ormist_reindex", "tests.Todo", "--after", "7") == AGAIN


def test_an_interrupted_move_is_repeated(interrupt, message_of, server):
    interrupt(ormist_reindex, "repeat_scan")
    assert message_of("ormist_reindex", "--move") == AGAIN


def test_a_warning_of_another_slot_names_the_alias(command, second):
    with declared() as Thing:
        Thing.objects.using("second").create("x")
    with declared(slot="shop"):
        said = command("ormist_dump", "tests.Thing", "--using", "second")
    fix = "Move with ormist_reindex tests.Thing --using second --move.\n"
    assert said.errors.endswith(fix)


# ---------------------------------------------------------------- the others


@pytest.mark.parametrize("words", [("--verify",), ("--schema",), ()])
def test_an_interrupted_inspection_does_not_speak_of_repairs(
    words, interrupt, message_of, server
):
    interrupt(ormist_inspect, "find_models")
    interrupt(verification, "find_models")
    assert message_of("ormist_inspect", *words) == (
        "Interrupted. The data was not changed. Run the same command again."
    )


def test_an_interrupted_repair_keeps_what_it_has_done(interrupt, message_of, server):
    interrupt(verification, "run")
    assert message_of("ormist_inspect", "--repair") == (
        "Interrupted. Repaired faults stay repaired; run the same command again to go "
        "on."
    )


def test_a_flush_that_is_interrupted_at_its_question_has_deleted_nothing(
    interrupt, message_of, server
):
    Todo.objects.create("x")
    for words in ((), ("tests.Todo",), ("tests.Todo", "--tag", "x")):
        interrupt(ormist_flush.Command, "is_confirmed")
        assert message_of("ormist_flush", *words, stdin="yes\n") == (
            "Interrupted. No data was deleted. Run the same command again to go on."
        )
    assert Todo.objects.count() == 1


def test_an_interrupted_flush_of_keys_says_what_is_left(interrupt, message_of, server):
    Todo.objects.create("x")
    interrupt(ormist_flush, "delete_in_batches")
    assert "Objects deleted so far are gone" in message_of("ormist_flush", "--noinput")
    interrupt(ormist_flush, "unlink_some")
    assert message_of("ormist_flush", "--noinput").startswith(
        "Interrupted. Some keys are gone, and index entries may be left"
    )


def test_a_dump_without_a_file_is_repeated(interrupt, message_of, tmp_path, server):
    Plain.objects.create(id="one")
    interrupt(ormist_dump, "run")
    assert message_of("ormist_dump") == "Interrupted. Run the same command again."
    interrupt(ormist_dump, "open_file")
    file = str(tmp_path / "dump")
    message = message_of("ormist_dump", "--output", file)
    assert message == "Interrupted. Run the same command again."
    interrupt(ormist_dump, "run")
    assert "--resume" in message_of("ormist_dump", "--output", file)


def test_an_interrupted_import_of_sessions_is_repeated(interrupt, message_of, server):
    interrupt(ormist_import_sessions, "find_source")
    engine = "django.contrib.sessions.backends.db"
    assert message_of("ormist_import_sessions", "--from", engine) == AGAIN
