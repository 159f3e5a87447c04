"""A user as the session engine sees one."""

from typing import Any


class User:
    """As much of a user model as login() and log_out_everywhere() look at."""

    class _meta:
        class pk:
            @staticmethod
            def value_to_string(user: Any) -> str:
                return str(user.pk)

    def __init__(self, pk: Any) -> None:
        self.pk = pk
