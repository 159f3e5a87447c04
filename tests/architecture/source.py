"""The source of the package: its modules, and their imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "django_ormist"
NAME = PACKAGE.name
SCRIPTS = PACKAGE / "operations" / "scripts"


@dataclass(frozen=True)
class Import:
    """The absolute name that a statement imports, and its line."""

    name: str
    line: int


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(PACKAGE.parent).as_posix()

    @property
    def parts(self) -> tuple[str, ...]:
        """The dotted name below the package: ("models", "base"); () for __init__.py."""
        parts = self.path.relative_to(PACKAGE).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def top(self) -> str:
        """The name of its top-level module or folder; "" for __init__.py."""
        return self.parts[0] if self.parts else ""

    @property
    def dotted(self) -> str:
        return ".".join((NAME, *self.parts))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(), str(self.path))

    @cached_property
    def imports(self) -> list[Import]:
        """All imports, also those in functions and those only for types."""
        return [
            Import(name, node.lineno)
            for node in ast.walk(self.tree)
            for name in self._imported(node)
        ]

    def _imported(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            source = self._source(node)
            for alias in node.names:
                yield f"{source}.{alias.name}"

    def _source(self, node: ast.ImportFrom) -> str:
        """Return the absolute name of the module in ``from ... import``."""
        if not node.level:
            return node.module or ""
        is_folder = self.path.name == "__init__.py"
        here = self.dotted.split(".")
        base = here[: len(here) - node.level + is_folder]
        return ".".join([*base, node.module] if node.module else base)


def modules() -> list[Module]:
    """Return every Python file of the package."""
    return [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]


def tops() -> set[str]:
    """Return the top-level modules and folders of the package."""
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py")}
    return found - {"__init__", "__pycache__"}


def top_of(name: str) -> str | None:
    """Return the top-level module of an absolute name, or None if it is not ours.

    Returns "" for __init__.py.
    """
    head, *rest = name.split(".")
    if head != NAME:
        return None
    return rest[0] if rest and rest[0] in tops() else ""
