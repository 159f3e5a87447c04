"""The table of the SQL model, which no migration makes."""

import pytest
from django.db import connection

from tests.rest.models import SqlGadget


@pytest.fixture(scope="session")
def table_of_gadgets(django_db_setup, django_db_blocker):
    """Create the table once: it costs more than a test."""
    with django_db_blocker.unblock(), connection.schema_editor() as editor:
        editor.create_model(SqlGadget)
