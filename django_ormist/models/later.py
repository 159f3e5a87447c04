"""Modules of this folder that a process may never need, imported on first use.

Together they are a quarter of what importing the package takes.
"""

from importlib import import_module
from typing import Any


class Later:
    """Stands for the module of that name; its first attribute imports it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        found = getattr(import_module(f".{self._name}", __package__), attribute)
        setattr(self, attribute, found)
        return found
