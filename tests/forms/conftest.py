"""The table of the SQL model, which no migration makes."""

import pytest
from django.db import connection

from tests.forms.models import SqlParcel


@pytest.fixture
def sql_parcels(transactional_db):
    """The SQL model, with its table."""
    with connection.schema_editor() as editor:
        editor.create_model(SqlParcel)
    yield SqlParcel
    with connection.schema_editor() as editor:
        editor.delete_model(SqlParcel)
