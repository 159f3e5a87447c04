"""Objects that several modules ask for."""

import pytest

from tests.models import Todo


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
