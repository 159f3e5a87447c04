"""The package as its source reads: its modules, their rooms, and what they import."""

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
    """What one statement imports, as an absolute name, and where it stands."""

    name: str
    line: int
    is_for_types: bool = False


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(PACKAGE.parent).as_posix()

    @property
    def parts(self) -> tuple[str, ...]:
        """Its dotted name below the package: ("models", "base"); () for the door."""
        parts = self.path.relative_to(PACKAGE).with_suffix("").parts
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def room(self) -> str:
        """The top-level module or folder that it is, or is in; "" for the door."""
        return self.parts[0] if self.parts else ""

    @property
    def dotted(self) -> str:
        return ".".join((NAME, *self.parts))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(), str(self.path))

    @cached_property
    def imports(self) -> list[Import]:
        """Every import, wherever it stands: in a function, or for types alone."""
        for_types = {
            node
            for block in ast.walk(self.tree)
            if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
            for node in block.body
        }
        return [
            Import(name, node.lineno, node in for_types)
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
        """The absolute name of what ``from ... import`` takes from."""
        if not node.level:
            return node.module or ""
        is_folder = self.path.name == "__init__.py"
        here = self.dotted.split(".")
        base = here[: len(here) - node.level + is_folder]
        return ".".join([*base, node.module] if node.module else base)


def modules() -> list[Module]:
    """Every Python file of the package."""
    return [Module(path) for path in sorted(PACKAGE.rglob("*.py"))]


def rooms() -> set[str]:
    """The top-level modules and folders of the package, without the door."""
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py")}
    return found - {"__init__", "__pycache__"}


def room_of(name: str) -> str | None:
    """The room that an absolute name is in; "" for the door, None for others' code."""
    head, *rest = name.split(".")
    if head != NAME:
        return None
    return rest[0] if rest and rest[0] in rooms() else ""
