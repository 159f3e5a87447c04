"""Signals, sync and async."""

import pytest

import django_ormist as ormist
from django_ormist import signals
from tests.models import Plain, Todo


@pytest.fixture
def seen():
    received = []

    def receiver(signal, sender, **arguments):
        name = next(n for n in vars(signals) if getattr(signals, n) is signal)
        received.append((name, arguments["instance"].id, arguments.get("created")))

    four = (
        signals.pre_save,
        signals.post_save,
        signals.pre_delete,
        signals.post_delete,
    )
    for signal in four:
        signal.connect(receiver, sender=Plain)
    yield received
    for signal in four:
        signal.disconnect(receiver, sender=Plain)


def test_saving_and_deleting_send_signals(ask, alias, seen):
    plain = ask(Plain.objects.create, id="one")
    ask(plain.save)
    ask(plain.delete)
    assert seen == [
        ("pre_save", "one", None),
        ("post_save", "one", True),
        ("pre_save", "one", None),
        ("post_save", "one", False),
        ("pre_delete", "one", None),
        ("post_delete", "one", None),
    ]


def test_a_receiver_for_django_gets_its_arguments(ask, alias):
    seen = []

    def saved(sender, instance, raw, using, update_fields, signal, created=None):
        seen.append((raw, using, update_fields, created))

    def deleted(sender, instance, using, origin, signal):
        seen.append((using, origin is instance))

    connected = [
        (signals.pre_save, saved),
        (signals.post_save, saved),
        (signals.pre_delete, deleted),
        (signals.post_delete, deleted),
    ]
    for signal, receiver in connected:
        signal.connect(receiver, sender=Plain)
    try:
        plain = ask(Plain.objects.create, id="one")
        ask(plain.save, update_fields=iter(["a", "b"]))
        ask(plain.delete)
        with ormist.atomic():
            plain.save()
            plain.delete()
    finally:
        for signal, receiver in connected:
            signal.disconnect(receiver, sender=Plain)
    names = frozenset({"a", "b"})
    assert seen == [
        (False, "default", None, None),
        (False, "default", None, True),
        (False, "default", names, None),
        (False, "default", names, False),
        ("default", True),
        ("default", True),
        (False, "default", None, None),
        ("default", True),
        (False, "default", None, True),
        ("default", True),
    ]


def test_bulk_methods_and_other_models_do_not_send_signals(ask, alias, seen):
    ask(Todo.objects.create)
    ask(Plain.objects.bulk_create, [Plain(), Plain()])
    ask(Plain.objects.all().delete)
    assert seen == []


def test_a_refused_save_does_not_send_post_save(ask, alias, seen):
    ask(Plain.objects.create, id="one")
    seen.clear()
    with pytest.raises(ormist.IntegrityError):
        ask(Plain.objects.create, id="one")
    assert seen == [("pre_save", "one", None)]


def test_what_a_receiver_changes_before_a_save_is_saved(ask, alias):
    def stamp(sender, instance, **_):
        instance.stamped = True

    signals.pre_save.connect(stamp, sender=Plain)
    try:
        plain = ask(Plain.objects.create)
    finally:
        signals.pre_save.disconnect(stamp, sender=Plain)
    assert ask(Plain.objects.get, plain.id).stamped is True


def test_a_new_class_is_announced():
    announced = []

    def receiver(sender, **_):
        announced.append(sender)

    signals.class_prepared.connect(receiver)
    try:

        class Announced(ormist.Model):
            pass

    finally:
        signals.class_prepared.disconnect(receiver)
    assert announced == [Announced]
