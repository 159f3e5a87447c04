"""Every script documents its keys, arguments, replies and cost."""

import re
from pathlib import Path

import pytest

from tests.architecture.source import SCRIPTS, modules

TESTS = Path(__file__).resolve().parents[1] / "scripts"

SECTIONS = ["KEYS", "ARGV", "RETURNS", "COST"]

# Commands on the complete server, or outside our keys.
FORBIDDEN = {
    "CONFIG",
    "DEBUG",
    "EVAL",
    "FLUSHALL",
    "FLUSHDB",
    "KEYS",
    "RANDOMKEY",
    "SCAN",
    "SCRIPT",
    "SELECT",
    "SWAPDB",
}

every_script = pytest.mark.parametrize(
    "path", sorted(SCRIPTS.glob("*.lua")), ids=lambda path: path.stem
)


def header(path):
    """Return the comment at the start of a script, without its dashes."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return lines


def includes(path, part):
    return re.search(rf"(?m)^ *-- INCLUDE {part}$", path.read_text()) is not None


def test_scripts_are_found():
    assert list(SCRIPTS.glob("*.lua"))


@every_script
def test_a_script_begins_with_a_description(path):
    first, second, *_ = header(path)
    assert re.fullmatch(r"[A-Z].*\.", first), "one sentence"
    assert second == "", "then an empty comment line"


@every_script
def test_a_header_has_its_sections_in_order(path):
    sections = [
        found[1]
        for line in header(path)
        if (found := re.match(r"(KEYS|ARGV|RETURNS|COST|DERIVED) +\S", line))
    ]
    assert [name for name in sections if name != "DERIVED"] == SECTIONS
    assert sections in (SECTIONS, [*SECTIONS, "DERIVED"])


@every_script
def test_a_key_that_a_script_builds_is_declared_as_derived(path):
    """The script uses ``base``, and the header says so."""
    has_line = any(line.startswith("DERIVED") for line in header(path))
    code = "\n".join(line.partition("--")[0] for line in path.read_text().splitlines())
    derives = re.search(r"\bbase\b|\.\. *['\"][a-z]+:", code) is not None
    assert has_line or not derives


@every_script
def test_a_script_calls_only_commands_on_keys(path):
    called = set(re.findall(r"redis\.p?call\(\s*['\"](\w+)", path.read_text()))
    assert not {name.upper() for name in called} & FORBIDDEN


@every_script
def test_a_script_reads_the_clock_once(path):
    """Up to Redis 7.0 the clock moves inside a script, so clock() keeps its time."""
    called = re.findall(r"redis\.p?call\(\s*['\"]TIME", path.read_text())
    assert len(called) == (path.stem == "prelude")


@every_script
def test_a_script_is_tested_alone(path):
    """tests/scripts covers each reply; an included part is run by its script."""
    if any(includes(script, path.stem) for script in SCRIPTS.glob("*.lua")):
        return
    assert (TESTS / f"test_{path.stem}.py").is_file()


@every_script
def test_a_script_does_not_leave_an_error_text_to_match(path):
    """Lua returns facts, Python raises."""
    assert "error_reply" not in path.read_text()


@every_script
def test_a_script_is_used(path):
    """By a module, or by a script that includes it."""
    if path.stem == "prelude":
        return
    name = re.compile(rf"Script\(\s*['\"]{path.stem}['\"]")
    assert any(name.search(module.path.read_text()) for module in modules()) or any(
        includes(script, path.stem) for script in SCRIPTS.glob("*.lua")
    )
