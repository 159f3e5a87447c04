"""The table of the SQL model, which no migration makes."""

import pytest
from django.db import connection

from tests.forms.models import SqlWagon


@pytest.fixture(scope="session")
def table_of_wagons(django_db_setup, django_db_blocker):
    """Create the table once: it costs more than a test."""
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        editor.create_model(SqlWagon)


@pytest.fixture
def sql_wagons(table_of_wagons, db):
    """The SQL model, with an empty table."""
    return SqlWagon
