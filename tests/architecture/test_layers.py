"""Imports go down or stay in their layer; the layers 0 to 2 are pure."""

import ast

import pytest

from tests.architecture.source import modules, top_of

LAYERS = {
    "apps": 8,
    "checks": 8,
    "sessions": 8,
    "admin": 8,
    "management": 8,
    "testing": 8,
    "debug": 8,
    "rest_framework": 8,
    "views": 8,
    "forms": 7,
    "models": 6,
    "flows": 5,
    "connections": 4,
    "signals": 3,
    "conf": 3,
    "crypto": 3,
    "fields": 3,
    "deadlines": 3,
    "embedded": 3,
    "operations": 2,
    "queries": 1,
    "schema": 1,
    "validators": 1,
    "batching": 0,
    "codecs": 0,
    "keys": 0,
    "terms": 0,
    "sortkeys": 0,
    "storable": 0,
    "exceptions": 0,
}
PACKAGE_LAYER = 9
TOP_LAYER, HIGHEST_PURE = 8, 2

# Django expects apps.py to register checks, connect signals and load extensions. It
# finds commands only in management/, so commands about sessions import sessions/.
ALLOWED = {("apps", "checks"), ("apps", "rest_framework"), ("apps", "sessions")}
COMMANDS_OF_SESSIONS = {
    ("management", "commands", "clearsessions"),
    ("management", "commands", "ormist_import_sessions"),
}

IMPURE_MODULES = {
    "asyncio",
    "asgiref",
    "django.apps",
    "django.conf",
    "django.core.cache",
    "django.db.connection",
    "django.utils.timezone",
    "fakeredis",
    "os",
    "random",
    "redis",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "uuid.getnode",
    "uuid.uuid1",
    "uuid.uuid4",
    "valkey",
}
# The thread only gives its caller, which waits, a second stack.
STACKS = {("codecs", "depth"): {"threading.Thread"}}
IMPURE_METHODS = {"now", "utcnow", "today", "uuid1", "uuid4"}

every_module = pytest.mark.parametrize("module", modules(), ids=str)


def layer(top: str) -> int:
    return LAYERS[top] if top else PACKAGE_LAYER


def test_every_module_has_a_layer():
    unknown = {module.top for module in modules()} - {"", *LAYERS}
    assert not unknown, f"Give each a layer in CONTRIBUTING and here: {sorted(unknown)}"


@every_module
def test_imports_go_down_or_stay_in_the_layer(module):
    upward = [
        f"{module}:{each.line} imports {each.name}"
        for each in module.imports
        if (top := top_of(each.name)) is not None and layer(top) > layer(module.top)
    ]
    assert not upward


@every_module
def test_modules_of_the_top_layer_do_not_import_each_other(module):
    if layer(module.top) != TOP_LAYER:
        return
    sideways = [
        f"{module}:{each.line} imports {each.name}"
        for each in module.imports
        if (top := top_of(each.name)) not in (None, "", module.top)
        and layer(top) == TOP_LAYER
        and (module.top, top) not in ALLOWED
        and not (top == "sessions" and module.parts in COMMANDS_OF_SESSIONS)
    ]
    assert not sideways


pure_modules = [m for m in modules() if layer(m.top) <= HIGHEST_PURE]


@pytest.mark.parametrize("module", pure_modules, ids=str)
def test_pure_layers_import_only_pure_modules(module):
    impure = [
        f"{module}:{each.line} imports {each.name}"
        for each in module.imports
        if any(f"{each.name}.".startswith(f"{name}.") for name in IMPURE_MODULES)
        and each.name not in STACKS.get(module.parts, ())
    ]
    assert not impure


@pytest.mark.parametrize("module", pure_modules, ids=str)
def test_pure_layers_do_not_read_the_clock_or_generate_ids(module):
    calls = [
        f"{module}:{node.lineno} calls {ast.unparse(node.func)}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in IMPURE_METHODS
    ]
    assert not calls


@pytest.mark.parametrize("module", pure_modules, ids=str)
def test_pure_layers_do_not_await(module):
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [n.lineno for n in ast.walk(module.tree) if isinstance(n, waiting)]
