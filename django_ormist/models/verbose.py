"""The mix-in Verbose."""

from typing import Any


class Verbose:
    """Mix-in: repr() shows the id and the attributes."""

    def __repr__(self) -> str:
        model: Any = self
        return f"<{type(self).__name__} id:{model.id} attrs:{model.attrs}>"
