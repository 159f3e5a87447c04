"""The migration guides: their code runs, except that of the other package."""

import importlib

import pytest
from django.core.management import load_command_class

from tests.docs.pages import blocks, run

OTHERS = ("# redis-om", "# walrus", "# ormist of 2013")


@pytest.mark.parametrize("package", ["redis-om", "walrus", "ormist-2013"])
def test_the_code_of_the_guide_runs(server, package):
    page = f"howto/migrate-{package}"
    assert any(code.startswith(OTHERS) for code in blocks(page))
    assert run(page, skip=OTHERS)["move"]


@pytest.mark.parametrize("package", ["redis-om", "walrus", "ormist-2013"])
def test_the_code_of_the_other_package_is_python(package):
    for code in blocks(f"howto/migrate-{package}"):
        compile(code, package, "exec")


def test_the_import_of_the_guide_to_sessions_is_accepted():
    page = "howto/migrate-django-redis-sessions"
    (line,) = blocks(page, "shell")
    words = line.split()[2:]
    command = load_command_class("django_ormist", words[0])
    given = command.create_parser("manage.py", words[0]).parse_args(words[1:])
    assert given.engine in command.create_parser("m", words[0]).format_help()
    (code,) = blocks(page)
    exec(code, names := {})
    assert importlib.import_module(names["SESSION_ENGINE"]).SessionStore
