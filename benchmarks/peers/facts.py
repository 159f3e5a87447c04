"""What is not timed in turns: lines of user code, import time, absent when expired."""

import ast
import inspect
import sys
import time
from types import ModuleType

from ..imports import run_compiled
from .peer import Peer
from .rows import ROWS, Stage

METHODS = {row.method for row in ROWS}

HARNESS = {*vars(Peer), "execute"} - METHODS
"""Methods that no user writes."""

LIFETIMES = (1, 4, 16)
"""Seconds: the next one, if a busy machine takes longer to read the object."""

EXPIRED_QUERIES = {"two_equalities", "count"}

_TIMED = """
from time import perf_counter
start = perf_counter()
{program}
print((perf_counter() - start) * 1000)
"""


def rows_done(peer: type[Peer]) -> int:
    """Return the number of rows that it can do."""
    return sum(row.method not in peer.lacks for row in ROWS)


def user_lines(peer: type[Peer]) -> int:
    """Return the lines of code that a user of the peer writes for all that it can do.

    Models, methods and scripts count; blank lines, comments, docstrings and imports at
    the top do not. Sessions are one setting.
    """
    methods = {}
    modules: set[ModuleType] = set()
    for base in reversed(peer.__mro__):
        module = sys.modules[base.__module__]
        if base is Peer or not issubclass(base, Peer) or module is _base_module():
            continue
        modules.add(module)
        for name, value in vars(base).items():
            if inspect.isfunction(value) and name not in HARNESS:
                methods[name] = code_lines(inspect.getsource(value))
    return sum(methods.values()) + sum(map(_outside_lines, modules))


def _base_module() -> ModuleType:
    return sys.modules[Peer.__module__]


def _outside_lines(module: ModuleType) -> int:
    """Return the lines of a module's functions and constants."""
    source = inspect.getsource(module)
    kinds = (ast.FunctionDef, ast.Assign)
    return sum(
        code_lines(ast.get_source_segment(source, node) or "")
        for node in ast.parse(source).body
        if isinstance(node, kinds)
    )


def code_lines(source: str) -> int:
    """Return the lines of a function or constant, without comments and docstrings."""
    lines = inspect.cleandoc("\n" + source).splitlines()
    node = ast.parse("\n".join(lines)).body[0]
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
        first = node.body[0]
        lines[first.lineno - 1 : first.end_lineno] = []
    return sum(1 for line in lines if line.strip() and line.strip()[0] != "#")


def import_ms(peer: type[Peer]) -> float:
    """Return the milliseconds to load all that a user needs, in a new process."""
    return run_compiled(_TIMED.format(program=peer.imports))


def expired_answers(stage: Stage) -> int | None:
    """Return how many of EXPIRED_QUERIES find an object that has expired.

    None if the peer has no such queries. Raises AssertionError if the object is not
    found before, or is found by its id afterwards.
    """
    peer, place = stage.peer, {"city": "expiring", "kind": "kind-00"}
    peer.enter()
    for seconds in LIFETIMES:
        pk = peer.expiring(stage.new(**place), seconds)
        peer.enter()
        if (item := peer.get(pk)) is not None:
            break
    assert item is not None, f"{peer.name}: an object that expires is not stored"
    time.sleep(seconds + 0.2)
    peer.enter()
    assert peer.get(pk) is None, f"{peer.name}: an expired object is found by its id"
    if EXPIRED_QUERIES & peer.lacks.keys():
        return None
    return sum(bool(getattr(peer, query)(**place)) for query in EXPIRED_QUERIES)
