"""A user as the session engine sees one."""

from typing import Any


class User:
    """The part of a user model that login() and log_out_everywhere() use."""

    class _meta:
        class pk:
            @staticmethod
            def value_to_string(user: Any) -> str:
                return str(user.pk)

    def __init__(self, pk: Any) -> None:
        self.pk = pk
