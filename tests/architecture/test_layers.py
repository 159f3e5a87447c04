"""Imports go down or stay on the floor (rule 1); floors 0 to 2 are pure (rule 2)."""

import ast

import pytest

from tests.architecture.source import modules, room_of

FLOORS = {
    "apps": 7,
    "checks": 7,
    "sessions": 7,
    "admin": 7,
    "management": 7,
    "testing": 7,
    "debug": 7,
    "models": 6,
    "flows": 5,
    "connections": 4,
    "signals": 3,
    "conf": 3,
    "crypto": 3,
    "deadlines": 3,
    "embedded": 3,
    "operations": 2,
    "queries": 1,
    "schema": 1,
    "validators": 1,
    "codecs": 0,
    "keys": 0,
    "terms": 0,
    "sortkeys": 0,
    "storable": 0,
    "exceptions": 0,
}
FRONT_DOOR = 8
EDGE, HIGHEST_PURE = 7, 2

# Django asks of apps.py that it registers the checks and connects signals, and looks
# for commands in management/ alone: those that are the sessions' own import them.
ALLOWED = {("apps", "checks"), ("apps", "sessions")}
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
# A thread is a stack of its own there: its caller waits, and nothing runs beside it.
STACKS = {("codecs", "depth"): {"threading.Thread"}}
IMPURE_METHODS = {"now", "utcnow", "today", "uuid1", "uuid4"}

every_module = pytest.mark.parametrize("module", modules(), ids=str)


def floor(room: str) -> int:
    return FLOORS[room] if room else FRONT_DOOR


def test_every_module_has_a_layer():
    unknown = {module.room for module in modules()} - {"", *FLOORS}
    assert not unknown, f"Give each a floor in STYLE and here: {sorted(unknown)}"


@every_module
def test_imports_go_down_or_stay_in_the_layer(module):
    upward = [
        f"{module}:{each.line} imports {each.name}"
        for each in module.imports
        if (room := room_of(each.name)) is not None
        and floor(room) > floor(module.room)
        and not (each.is_for_types and (module.room, room) == ("flows", "models"))
    ]
    assert not upward


@every_module
def test_modules_of_the_top_layer_do_not_import_each_other(module):
    if floor(module.room) != EDGE:
        return
    sideways = [
        f"{module}:{each.line} imports {each.name}"
        for each in module.imports
        if (room := room_of(each.name)) not in (None, "", module.room)
        and floor(room) == EDGE
        and (module.room, room) not in ALLOWED
        and not (room == "sessions" and module.parts in COMMANDS_OF_SESSIONS)
    ]
    assert not sideways


pure_modules = [m for m in modules() if floor(m.room) <= HIGHEST_PURE]


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
