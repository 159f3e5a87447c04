"""docs/howto/repair.rst: its code runs, and it names what there is."""

import re
from pathlib import Path

from django.core.management import call_command, get_commands, load_command_class

from tests.architecture.house import PACKAGE
from tests.faults.test_repair import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "repair.rst"


def blocks(language, page=PAGE):
    """The code blocks of one language, without their indentation."""
    pattern = rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    return [
        re.sub(r"(?m)^    ", "", each) for each in re.findall(pattern, page.read_text())
    ]


def test_the_code_runs(server):
    names = {"__name__": "operating"}
    for code in blocks("python"):
        exec(compile(code, str(PAGE), "exec"), names)
    call_command("ormist_reindex", "Device", verbosity=0)


def test_the_commands_and_their_options_exist():
    named = set()
    for line in blocks("shell")[0].splitlines():
        words = line.partition("#")[0].split()[2:]
        if not words:
            continue
        command = load_command_class("django_ormist", words[0])
        command.create_parser("manage.py", words[0]).parse_args(words[1:])
        named.add(words[0])
    ours = {name for name, app in get_commands().items() if app == "django_ormist"}
    elsewhere = {"clearsessions", "ormist_import_sessions"}
    assert named == ours - elsewhere


def test_every_kind_of_fault_is_explained():
    explained = set(re.findall(r"(?m)^``([a-z-]+)``", PAGE.read_text()))
    script = (PACKAGE / "operations" / "scripts" / "check_object.lua").read_text()
    said = set(re.findall(r"say\([^()]*?'([a-z]+-[a-z]+)'", script))
    said |= set(re.findall(r"or '([a-z]+-[a-z]+)'", script))
    python = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    said |= set(re.findall(r"Fault\(\s*\"([a-z-]+)\"", python))
    said |= {kind for kinds in KINDS.values() for kind in kinds}
    assert said <= explained
    assert {"duplicate-value", "unknown-model", "wrong-owner"} <= said | explained
