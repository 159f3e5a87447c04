"""A lint of the scripts as the server runs them, by the bytecode of Lua 5.1."""

import re
import struct
from collections.abc import Iterator

import pytest
from lupa import lua51

from django_ormist.operations.operation import Script
from tests.architecture.source import SCRIPTS

GETGLOBAL, SETGLOBAL = 5, 7
STRING, SIZES = 4, {0: 0, 1: 1, 3: 8}  # of constants: nil, boolean, number

# Those that scripts use, of those that every server has.
GLOBALS = {
    *("ARGV", "KEYS", "ipairs", "math", "pairs", "redis", "string", "table"),
    *("error", "pcall"),
    *("tonumber", "type", "unpack"),
}

FILES = sorted(SCRIPTS.glob("*.lua"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def code(path) -> str:
    """Return the text of a file without its comments and strings."""
    text = re.sub(r"'(\\.|[^'\\\n])*'|\"(\\.|[^\"\\\n])*\"", "''", path.read_text())
    return re.sub(r"--.*", "", text)


def included(path) -> set[str]:
    """Return the names of the files that a file includes, itself among them."""
    names = {path.stem}
    for name in re.findall(r"(?m)^ *-- INCLUDE (\w+)$", path.read_text()):
        names |= included(SCRIPTS / f"{name}.lua")
    return names


PARTS = set().union(*(included(path) - {path.stem} for path in FILES), {"prelude"})
scripts = [path.stem for path in FILES if path.stem not in PARTS]


class Bytecode:
    """A reader of the result of string.dump()."""

    def __init__(self, dumped: bytes) -> None:
        self.dumped = dumped
        self.position = 12  # after the header

    def take(self, size: int) -> bytes:
        self.position += size
        return self.dumped[self.position - size : self.position]

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "little")

    def string(self) -> str:
        return self.take(self.number(8))[:-1].decode("latin-1")

    def constant(self) -> str | None:
        kind = self.number(1)
        return self.string() if kind == STRING else self.take(SIZES[kind]) and None

    def globals(self) -> Iterator[tuple[int, str]]:
        """Yield (GETGLOBAL or SETGLOBAL, name) of a function and those in it."""
        self.string()
        self.take(12)
        instructions = [self.number() for _ in range(self.number())]
        constants = [self.constant() for _ in range(self.number())]
        for each in instructions:
            if each & 63 in (GETGLOBAL, SETGLOBAL):
                yield each & 63, str(constants[each >> 14])
        for _ in range(self.number()):
            yield from self.globals()
        self.take(4 * self.number())
        for _ in range(self.number()):
            self.string()
            self.take(8)
        for _ in range(self.number()):
            self.string()


def global_instructions(source: bytes) -> list[tuple[int, str]]:
    """Return each read and write of a global in a script. Raise LuaSyntaxError."""
    lua = lua51.LuaRuntime(encoding=None)
    lua.globals()[b"source"] = source
    lua.execute(b"script, message = loadstring(source)")
    assert lua.globals()[b"message"] is None, lua.globals()[b"message"]
    dumped = lua.eval(b"string.dump(script)")
    assert dumped[:6] == b"\x1bLuaQ\0"
    assert struct.unpack("6B", dumped[6:12]) == (1, 4, 8, 4, 8, 0)
    return list(Bytecode(dumped).globals())


def used_globals(source: bytes) -> set[tuple[int, str]]:
    """Return the globals that a script reads and writes. Raise LuaSyntaxError."""
    return set(global_instructions(source))


def test_the_lint_finds_globals():
    source = b"local a = redis; local function f() b = a + c end; return f"
    assert used_globals(source) == {
        (GETGLOBAL, "redis"),
        (GETGLOBAL, "c"),
        (SETGLOBAL, "b"),
    }


@pytest.mark.parametrize("name", scripts)
def test_a_script_compiles_and_defines_no_globals(name):
    found = used_globals(Script(name).source)
    assert not {name for kind, name in found if kind == SETGLOBAL}
    assert not {name for kind, name in found if kind == GETGLOBAL} - GLOBALS


@pytest.mark.parametrize("name", scripts)
def test_a_script_looks_up_the_globals_of_the_server_once(name):
    found = [each for _, each in global_instructions(Script(name).source)]
    for each in ("KEYS", "ARGV", "redis"):
        assert found.count(each) == 1, each


FUNCTION = re.compile(r"(?m)^ *local function (\w+)")
SHARED = set(FUNCTION.findall((SCRIPTS / "prelude.lua").read_text()))


def defined(name: str) -> list[str]:
    """Return the functions of the prelude that a script defines, in their order."""
    found = FUNCTION.findall(Script(name).source.decode())
    return [function for function in found if function in SHARED]


@pytest.mark.parametrize("name", scripts)
def test_a_script_has_only_functions_of_the_prelude_that_it_uses(name):
    source = re.sub(r"--.*", "", Script(name).source.decode())
    for function in defined(name):
        uses = re.findall(rf"\b{function}\b", source)
        assert len(uses) > defined(name).count(function), function


def test_a_script_defines_functions_of_a_rare_branch_there():
    source = Script("update").source
    assert source.index(b"local function clock") < source.index(b"local pk")
    assert source.index(b"if expired then") < source.index(b"local function sweep")
    assert defined("update").count("clock") == 1


@pytest.mark.parametrize(
    ("name", "answer", "functions"),
    [
        ("count_terms", "return redis.call('ZCARD', KEYS[3])", {"clock"}),
        ("page", "return reply", {"clock", "complete_page"}),
        ("delete", "return 1", set()),
        (
            "query",
            "return reply",
            {"clock", "split_entry", "complete_page", "ids_by_attribute", "are_equal"},
        ),
    ],
)
def test_a_script_answers_the_common_call_before_it_defines_the_rest(
    name, answer, functions
):
    source = Script(name).source.decode()
    assert set(FUNCTION.findall(source[: source.index(answer)])) == functions


@every_file
def test_every_local_is_used(path):
    """In its file, in a file that includes it, or in one that is included with it."""
    users = [each for each in FILES if path.stem in {*included(each), "prelude"}]
    names = set().union(*map(included, users))
    together = "\n".join(code(SCRIPTS / f"{name}.lua") for name in sorted(names))
    declared = re.findall(r"\blocal (?:function )?([\w, ]+)", code(path))
    for name in {name.strip() for group in declared for name in group.split(",")}:
        uses = re.findall(rf"\b{re.escape(name)}\b", together)
        assert len(uses) > 1 or name == "_", f"{name} is never used"


@every_file
def test_lines_are_indented_by_two_spaces_and_not_too_long(path):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        assert len(line) <= 100, f"line {number} is too long"
        assert line == line.rstrip(), f"line {number} ends in a space"
        assert "\t" not in line, f"line {number} has a tab"
        assert (len(line) - len(line.lstrip())) % 2 == 0, f"line {number}: indent by 2"
