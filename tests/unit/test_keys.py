"""Names of keys: of a model in a slot of its own, and in that of Meta.slot."""

import pytest

from django_ormist import keys
from django_ormist.keys import Space, is_under, parse_key
from django_ormist.operations.keyspace import root
from django_ormist.operations.repair import quarantine_key

OWN = Space("p", "app.Model")
SHARED = Space("p", "app.Model", "shop")
LOOSE = Space("p", "Cart")
"""A model outside any app."""


def test_the_slot_comes_first_and_then_the_model():
    assert OWN.base == b"p:{app.Model}:"
    assert SHARED.base == b"p:{shop}:app.Model:"
    assert keys.object_key(SHARED, "x") == b"p:{shop}:app.Model:o:x"
    assert keys.marker_key(SHARED, "n") == b"p:batch:{shop}:app.Model:n"
    lost = quarantine_key(SHARED, keys.object_key(SHARED, "x"))
    assert lost == b"p:lost:{shop}:app.Model:o:x"


@pytest.mark.parametrize(
    "space",
    [
        OWN,
        SHARED,
        LOOSE,
        Space("p", "Line", "Cart"),
        Space("p", "app.Line", "Cart"),
        Space("p:q", "all", "all"),
        Space("p", "o"),
        Space("p", "t"),
    ],
    ids=lambda space: space.name,
)
@pytest.mark.parametrize("pk", ["x", "", "a:b", "}:o:", "{shop}:app.Model:o:x", ":"])
def test_the_space_of_each_key_is_found(space, pk):
    made = [
        keys.object_key(space, pk),
        keys.counters_key(space, pk),
        keys.term_key(space, b"t:" + pk.encode()),
        keys.ordered_key(space, "age"),
        keys.unique_key(space, ["a", "b"]),
        *space.main_keys,
    ]
    for key in made:
        assert key.startswith(root(space.prefix))
        assert parse_key(key, space.prefix) == (space, key.removeprefix(space.base))
        assert is_under(space.base, key)


@pytest.mark.parametrize(
    ("start", "key", "answer"),
    [
        (SHARED.base, b"p:{shop}:app.ModelLine:all", False),
        (SHARED.base, b"p:{shop}:app.Model:foreign", True),
        (OWN.base, b"p:{app.Modelo}:all", False),
        (LOOSE.base, b"p:{Cart}:app.Line:all", False),
        (LOOSE.base, b"p:{Cart}:Line:all", False),
        (LOOSE.base, b"p:{Cart}:Line:foreign", True),
        (LOOSE.base, b"p:{Cart}:foreign", True),
        (LOOSE.base, b"p:{Cart}:t:app.Line:all", True),
        (b"p:lost:{Cart}:", b"p:lost:{Cart}:app.Line:all", False),
        (b"p:lost:{Cart}:", b"p:lost:{Cart}:o:x", True),
        (root("p"), b"p:{Cart}:app.Line:all", True),
        (b"p:", b"p:{Cart}:app.Line:all", True),
        (b"p:", b"q:{Cart}:all", False),
    ],
)
def test_a_neighbour_in_the_slot_is_not_of_the_model(start, key, answer):
    assert is_under(start, key) is answer
