"""The table of the SQL model, which no migration makes."""

import pytest
from django.db import connection

from tests.forms.models import SqlCrate


@pytest.fixture
def sql_crates(transactional_db):
    """The SQL model, with its table."""
    with connection.schema_editor() as editor:
        editor.create_model(SqlCrate)
    yield SqlCrate
    with connection.schema_editor() as editor:
        editor.delete_model(SqlCrate)
