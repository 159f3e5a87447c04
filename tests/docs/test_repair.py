"""The guides to repair, upgrades and deployment: their code and names are right."""

import re

import pytest
from django.core.management import call_command, load_command_class

from django_ormist import conf
from django_ormist.connections import urls
from tests.architecture.source import PACKAGE
from tests.docs.pages import DOCS, blocks, run
from tests.faults.test_repair import KINDS

PAGES = ("howto/repair", "howto/upgrading", "howto/deployment")


def test_the_code_of_the_guide_to_upgrades_runs(server):
    run("howto/upgrading")
    call_command("ormist_reindex", "Device", verbosity=0)


def test_the_code_of_the_guide_to_deployment_runs(server):
    run("howto/deployment", skip=("ORMIST =",))


def test_the_settings_of_the_guide_to_deployment_are_valid():
    found = [code for code in blocks("howto/deployment") if "ORMIST =" in code]
    assert len(found) == 2
    for code in found:
        exec(code, names := {})
        assert urls.endpoint(conf.read_alias("default", names["ORMIST"]))


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_and_their_options_exist(page):
    for code in blocks(page, "shell"):
        for line in code.splitlines():
            words = line.partition("#")[0].split()[2:]
            app = "django.core" if words[:1] == ["check"] else "django_ormist"
            if words:
                command = load_command_class(app, words[0])
                command.create_parser("manage.py", words[0]).parse_args(words[1:])


def test_every_kind_of_fault_is_explained():
    explained = set(
        re.findall(r"(?m)^``([a-z-]+)``", (DOCS / "howto" / "repair.rst").read_text())
    )
    script = (PACKAGE / "operations" / "scripts" / "check_object.lua").read_text()
    said = set(re.findall(r"report\([^()]*?'([a-z]+-[a-z]+)'", script))
    said |= set(re.findall(r"or '([a-z]+-[a-z]+)'", script))
    python = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    said |= set(re.findall(r"Fault\(\s*\"([a-z-]+)\"", python))
    said |= {kind for kinds in KINDS.values() for kind in kinds}
    assert said <= explained
    assert {"duplicate-value", "unknown-model", "wrong-owner"} <= said | explained
