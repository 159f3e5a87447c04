"""A method and its async variant differ only in being async."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module

import pytest

from tests.architecture.source import Module, modules

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Commands, the toolbar and the app configuration are only called by sync code.
SYNC_ONLY = ("management", "debug", "apps")


def variants() -> Iterator[tuple[str, object, object]]:
    """Yield (name, method, async variant) of each method that has one."""
    for module in modules():
        if module.top in SYNC_ONLY:
            continue
        for owner in vars(import_module(module.dotted)).values():
            if not inspect.isclass(owner) or owner.__module__ != module.dotted:
                continue
            for name, method in vars(owner).items():
                variant = vars(owner).get(f"a{name}")
                if inspect.isfunction(method) and inspect.isfunction(variant):
                    yield f"{module.dotted}.{owner.__name__}.{name}", method, variant


def calls_of(functions: ast.AST, name: str) -> list[ast.Call]:
    """Return the calls of a plain *name* inside a function."""
    return [
        node
        for node in ast.walk(functions)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == name
    ]


def methods_that_run() -> Iterator[tuple[str, Function, Function | None]]:
    """Yield (name, method, async variant or None) of each public method with run()."""
    for module in modules():
        if module.top in SYNC_ONLY:
            continue
        for owner in ast.walk(module.tree):
            if not isinstance(owner, ast.ClassDef):
                continue
            functions = {n.name: n for n in owner.body if isinstance(n, Function)}
            for name, method in functions.items():
                if not name.startswith("_") and calls_of(method, "run"):
                    variant = functions.get(f"a{name}")
                    yield f"{module.dotted}.{owner.name}.{name}", method, variant


def named(rows: Iterator[tuple]) -> list:
    return [pytest.param(*row[1:], id=row[0]) for row in rows]


RUN = named(methods_that_run())


def test_async_variants_are_found():
    names = {name.rpartition(".")[2] for name, _, _ in variants()}
    assert {"save", "delete", "get", "create", "list", "send"} <= names


def is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


@pytest.mark.parametrize(("method", "variant"), named(variants()))
def test_async_variants_take_the_same_arguments(method, variant):
    mine, other = inspect.signature(method), inspect.signature(variant)
    assert [str(p) for p in mine.parameters.values()] == [
        str(p) for p in other.parameters.values()
    ]


@pytest.mark.parametrize(("method", "variant"), named(variants()))
def test_async_variants_return_the_same_type(method, variant):
    mine = str(inspect.signature(method).return_annotation)
    other = str(inspect.signature(variant).return_annotation)
    assert mine == other.replace("AsyncIterator", "Iterator")


@pytest.mark.parametrize(("method", "variant"), named(variants()))
def test_only_the_async_variant_is_async(method, variant):
    assert is_async(variant)
    assert not is_async(method)


@pytest.mark.parametrize(("method", "variant"), RUN)
def test_a_method_that_does_io_has_an_async_variant(method, variant):
    assert isinstance(variant, ast.AsyncFunctionDef)


@pytest.mark.parametrize(("method", "variant"), [p for p in RUN if p.values[1]])
def test_async_variants_run_the_same_flow(method, variant):
    mine = [
        ast.unparse(argument) for c in calls_of(method, "run") for argument in c.args
    ]
    other = [
        ast.unparse(argument) for c in calls_of(variant, "arun") for argument in c.args
    ]
    assert mine == other or not other  # it may also build on another async variant


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
