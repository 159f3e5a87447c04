"""The table of the SQL model, which no migration makes."""

import pytest
from django.db import connection

from tests.forms.models import SqlWagon


@pytest.fixture
def sql_wagons(transactional_db):
    """The SQL model, with its table."""
    with connection.schema_editor() as editor:
        editor.create_model(SqlWagon)
    yield SqlWagon
    with connection.schema_editor() as editor:
        editor.delete_model(SqlWagon)
