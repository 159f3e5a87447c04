"""A verb and its async twin differ in colour alone (rule 8)."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module

import pytest

from tests.architecture.source import Module, modules

Function = ast.FunctionDef | ast.AsyncFunctionDef

# What a person starts from a command line, and what the toolbar calls, has one colour.
SYNC_ONLY = ("management", "debug", "apps")


def twins() -> Iterator[tuple[str, object, object]]:
    """Each verb of a class of ours that has a twin: (name, verb, twin)."""
    for module in modules():
        if module.room in SYNC_ONLY:
            continue
        for owner in vars(import_module(module.dotted)).values():
            if not inspect.isclass(owner) or owner.__module__ != module.dotted:
                continue
            for name, verb in vars(owner).items():
                twin = vars(owner).get(f"a{name}")
                if inspect.isfunction(verb) and inspect.isfunction(twin):
                    yield f"{module.dotted}.{owner.__name__}.{name}", verb, twin


def of_kind(functions: ast.AST, name: str) -> list[ast.Call]:
    """The calls of a plain *name* within a function."""
    return [
        node
        for node in ast.walk(functions)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == name
    ]


def verbs_that_run() -> Iterator[tuple[str, Function, Function | None]]:
    """Each public verb that calls run(), with its twin: (name, verb, twin or None)."""
    for module in modules():
        if module.room in SYNC_ONLY:
            continue
        for owner in ast.walk(module.tree):
            if not isinstance(owner, ast.ClassDef):
                continue
            functions = {n.name: n for n in owner.body if isinstance(n, Function)}
            for name, verb in functions.items():
                if not name.startswith("_") and of_kind(verb, "run"):
                    twin = functions.get(f"a{name}")
                    yield f"{module.dotted}.{owner.name}.{name}", verb, twin


def named(rows: Iterator[tuple]) -> list:
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


RUN = named(verbs_that_run())


def test_async_variants_are_found():
    names = {name.rpartition(".")[2] for name, _, _ in twins()}
    assert {"save", "delete", "get", "create", "list", "send"} <= names


def is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


@pytest.mark.parametrize(("verb", "twin"), named(twins()))
def test_async_variants_take_the_same_arguments(verb, twin):
    mine, other = inspect.signature(verb), inspect.signature(twin)
    assert [str(p) for p in mine.parameters.values()] == [
        str(p) for p in other.parameters.values()
    ]


@pytest.mark.parametrize(("verb", "twin"), named(twins()))
def test_async_variants_return_the_same_type(verb, twin):
    mine = str(inspect.signature(verb).return_annotation)
    other = str(inspect.signature(twin).return_annotation)
    assert mine == other.replace("AsyncIterator", "Iterator")


@pytest.mark.parametrize(("verb", "twin"), named(twins()))
def test_only_the_async_variant_is_async(verb, twin):
    assert is_async(twin)
    assert not is_async(verb)


@pytest.mark.parametrize(("verb", "twin"), RUN)
def test_a_method_that_does_io_has_an_async_variant(verb, twin):
    assert isinstance(twin, ast.AsyncFunctionDef)


@pytest.mark.parametrize(("verb", "twin"), [p for p in RUN if p.values[1]])
def test_async_variants_run_the_same_flow(verb, twin):
    mine = [ast.unparse(argument) for c in of_kind(verb, "run") for argument in c.args]
    other = [
        ast.unparse(argument) for c in of_kind(twin, "arun") for argument in c.args
    ]
    assert mine == other or not other  # a verb may also build on another's twin


def uses(module: Module) -> list[str]:
    return [
        f"{module}:{node.lineno} {name}"
        for node in ast.walk(module.tree)
        for name in (getattr(node, "id", ""), getattr(node, "attr", ""))
        if name in ("sync_to_async", "async_to_sync")
    ]


@pytest.mark.parametrize("module", modules(), ids=str)
def test_sync_and_async_do_not_wrap_each_other(module):
    assert not uses(module)
