"""Fixtures of several modules."""

import pytest

from tests.behaviour.blocks import Block
from tests.checker import raw_faults
from tests.models import Todo


@pytest.fixture
def is_sound(server):
    """A function that asserts that the store has no faults."""

    def check():
        assert raw_faults(server.client, server.key_prefix) == []
        return True

    return check


@pytest.fixture
def block(ask):
    """Runs a function inside atomic(), sync or async like ``ask``."""
    return Block(ask)


@pytest.fixture
def todos(alias):
    """Thirty to-dos, all "all", every second "even", every third "third"."""
    return Todo.objects.bulk_create(
        Todo(
            "all",
            *(["even"] if i % 2 == 0 else []),
            *(["third"] if i % 3 == 0 else []),
            id=f"t{i:02}",
            number=i,
        )
        for i in range(30)
    )
