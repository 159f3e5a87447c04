"""A model with every kind of index, and every verb on it.

A verb gets the collection of an alias, and a function that returns an object as it was
loaded, without a request. It returns what can be compared.
"""

from typing import Any

import django_ormist as ormist
from django_ormist.codecs import pack
from django_ormist.connections.executor import run
from django_ormist.deadlines import to_datetime
from django_ormist.management.verification import build_checked_model
from django_ormist.operations import expiry, move, objects, verify

FAR, LATER = to_datetime(4_000_000_000_000), to_datetime(4_100_000_000_000)


class Crate(ormist.TaggedAttrsModel):
    """Every kind of index."""

    class Meta:
        app_label = "tests"
        index_attrs = ["kind"]
        ordered = ["size", "weight"]
        unique = ["code"]
        counters = ["hits"]


def fill(crates):
    """Store the objects that the verbs expect.

    The TTL of "past" is moved by hand, so it is still there after its deadline. That of
    "gone" is not, so its index entries are all that is left.
    """
    crates.create(id="a", kind="x", size=1, weight=1, code="a", hits=1)
    crates.create(id="b", kind="x", size=2, code="b", hits=1, expire=FAR)
    crates.create(id="only", kind="z", size=9, code="only", hits=1)
    for pk in ("gone", "past"):
        crates.create(id=pk, kind="y", size=3, code=pk, hits=1, expire=0.3)


VERBS: dict[str, Any] = {}
PARTIAL = set()
"""Verbs that write several objects, one after the other."""


def verb(function):
    VERBS[function.__name__] = function
    return function


def partial(function):
    PARTIAL.add(function.__name__)
    return verb(function)


@verb
def create(crates, load):
    return crates.create(id="n", kind="x", size=5, code="n").id


@verb
def create_with_a_taken_value(crates, load):
    return crates.create(id="n", code="a")


@verb
def create_with_the_value_of_a_gone_object(crates, load):
    return crates.create(id="n", code="gone").id


@verb
def create_over_a_gone_object(crates, load):
    return crates.create(id="gone", kind="y", code="n").id


@verb
def create_over_a_past_object(crates, load):
    return crates.create(id="past", kind="y", size=3, code="n", expire=FAR).id


@verb
def create_over_a_past_object_with_counters(crates, load):
    return crates.create(id="past", kind="y", hits=3).id


@verb
def save_other_values(crates, load):
    crate = load("a")
    crate.set(kind="z", size=7, weight=2, code="other")
    crate.save()


@verb
def save_fewer_values(crates, load):
    crate = load("a")
    crate.set(kind=None, size=None, weight=None, code=None)
    crate.save()


@verb
def save_without_a_change_of_indexes(crates, load):
    crate = load("a")
    crate.note = 2
    crate.save(strict=True)


@verb
def save_what_expires(crates, load):
    crate = load("b")
    crate.note = 2
    crate.save()


@verb
def save_another_deadline(crates, load):
    crate = load("b")
    crate.expire = LATER
    crate.save()


@verb
def save_the_first_deadline(crates, load):
    crate = load("a")
    crate.expire = FAR
    crate.save()


@verb
def save_without_the_deadline(crates, load):
    crate = load("b")
    crate.expire = None
    crate.save()


@verb
def save_with_a_taken_value(crates, load):
    crate = load("a")
    crate.code = "b"
    crate.save()


@verb
def save_with_the_value_of_a_gone_object(crates, load):
    crate = load("a")
    crate.code = "gone"
    crate.save()


@verb
def save_with_the_value_of_a_past_object(crates, load):
    crate = load("a")
    crate.code = "past"
    crate.save()


@verb
def save_a_counter(crates, load):
    crate = load("a")
    crate.hits = 9
    crate.save()


@verb
def save_fields(crates, load):
    crate = load("a")
    crate.kind = "z"
    crate.save(update_fields=["kind"])


@verb
def save_what_another_client_has_written(crates, load):
    crate = load("b")
    crate._state.packed = load("a")._state.packed
    crate.kind = "z"
    crate.save()


@verb
def delete(crates, load):
    return load("a").delete()


@verb
def delete_what_expires(crates, load):
    return load("b").delete()


@verb
def delete_the_only_one_of_its_kind(crates, load):
    return load("only").delete()


@verb
def delete_a_past_object(crates, load):
    return load("past").delete()


@verb
def increment(crates, load):
    return load("a").increment("hits")


@verb
def increment_an_attribute(crates, load):
    return load("a").increment("size")


@verb
def extend(crates, load):
    packed = load("b")._state.packed
    return run(
        objects.extend(Crate._meta.schema(crates.db), "b", packed, 4_100_000_000_000),
        crates.db,
    )


@verb
def get(crates, load):
    return [crates.get(pk).hits for pk in ("a", "b", "only")]


@verb
def get_a_past_object(crates, load):
    return crates.get_or_none("past"), crates.get_or_none("gone")


@verb
def get_by_a_unique_value(crates, load):
    return crates.get(code="b").id


@verb
def read_all(crates, load):
    return [(each.id, each.hits) for each in crates.list()]


@verb
def read_one_of_a_kind(crates, load):
    return [(each.id, each.hits) for each in crates.find(kind="z")]


@verb
def read_in_order(crates, load):
    return [(each.id, each.hits) for each in crates.order_by("-size")[0:2]]


@verb
def read_the_heavy(crates, load):
    return [(each.id, each.hits) for each in crates.find(weight__gt=0)]


@verb
def read_values(crates, load):
    return list(crates.find(kind__in=["x", "z"]).values("id", "size"))


@verb
def read_in_bulk(crates, load):
    return sorted(crates.in_bulk(["a", "b", "past", "gone", "none"]))


@verb
def count(crates, load):
    return [crates.count(), crates.find(kind="x").count(), crates.find(size=3).exists()]


@verb
def ids(crates, load):
    return [crates.ids(), crates.find(kind="x", size__gt=1).ids()]


@verb
def aggregate(crates, load):
    facets = crates.find(size__gt=0).values_list("weight", flat=True).distinct()
    return list(facets)


@verb
def bulk_create(crates, load):
    new = [Crate(id=each, kind="x", code=each) for each in "mn"]
    return len(crates.bulk_create(new))


@verb
def bulk_create_over_what_is_gone(crates, load):
    new = [
        Crate(id=each, kind="y", code=f"n{each}", expire=FAR, hits=1)
        for each in ("gone", "past")
    ]
    return len(crates.bulk_create(new))


@verb
def bulk_create_and_ignore_conflicts(crates, load):
    new = [Crate(id=each, code=each) for each in ("a", "b")]
    return len(crates.bulk_create(new, ignore_conflicts=True))


@partial
def bulk_save(crates, load):
    some = [load("a"), load("b")]
    for each in some:
        each.kind = "z"
    return crates.bulk_save(some)


@partial
def update(crates, load):
    return crates.find(kind="x").update(kind="z", size=8)


@partial
def set_expire(crates, load):
    return crates.set_expire(LATER)


@partial
def delete_all(crates, load):
    return crates.delete()


@verb
def get_or_create(crates, load):
    crate, is_new = crates.get_or_create({"id": "n"}, kind="new")
    return crate.id, is_new


@verb
def update_or_create(crates, load):
    crate, is_new = crates.update_or_create({"size": 6}, code="a")
    return crate.id, is_new


@verb
def block(crates, load):
    """Deletes the only one of its kind, and gives that kind to another."""
    with ormist.atomic(crates.db):
        load("only").delete()
        crate = load("a")
        crate.set(kind="z", weight=3)
        crate.save()


@verb
def block_that_exchanges_values(crates, load):
    one, other = load("a"), load("b")
    with ormist.atomic(crates.db):
        one.code, other.code = "b", "a"
        one.save()
        other.save()


@verb
def sweep(crates, load):
    return run(expiry.sweep(crates.space), crates.db)


@verb
def sweep_gone(crates, load):
    run(expiry.sweep_gone(crates.space, [b"gone", b"a", b"past", b"b"]), crates.db)


@partial
def repair(crates, load):
    model = build_checked_model(Crate, crates.db, True, False)
    pks = [b"a", b"b", b"only", b"past", b"gone", b"none"]
    return run(verify.check_ids(model, pks), crates.db)


@partial
def move_in(crates, load):
    schema, packed = Crate._meta.schema(crates.db), pack({"kind": "y", "code": "n"})
    each = move.MovedObject(b"gone", packed, 5.0, (b"hits", b"2"))
    image, _ = build_checked_model(Crate, crates.db, False, True).read(b"gone", packed)
    run(move.begin(schema.space, "token"), crates.db)
    code, _ = run(move.move_in(schema, each, image, "token"), crates.db)
    run(move.finish(schema.space, [b"gone"], "token", is_last=True), crates.db)
    return code


@verb
def move_out(crates, load):
    schema = Crate._meta.schema(crates.db)
    (each,) = run(move.load_moved(schema.space, [(b"b", 5.0)]), crates.db)
    model = build_checked_model(Crate, crates.db, False, True)
    image, _ = model.read(b"b", each.packed)
    return run(move.move_out(schema, each, image), crates.db)
