"""manage.py shell imports our models as it imports Django's."""

import sys
from io import StringIO

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import OutputWrapper
from django.core.management.commands import shell

import django_ormist as ormist
from tests import models


def imported(**options):
    """Return the imports of the shell, and its output."""
    command = load_command_class(get_commands()["shell"], "shell")
    command.stdout = OutputWrapper(StringIO())
    found = command.get_namespace(verbosity=2, **options)
    return found, command.stdout.getvalue()


@pytest.fixture
def add_app(settings, tmp_path, monkeypatch):
    """Adds an app with the command ``shell``: ``add_app("late", text)``."""
    monkeypatch.syspath_prepend(tmp_path)

    def add(name, text, first=False):
        folder = tmp_path / name / "management" / "commands"
        folder.mkdir(parents=True)
        for each in (tmp_path / name, folder.parent, folder):
            (each / "__init__.py").touch()
        (folder / "shell.py").write_text(text)
        there = settings.INSTALLED_APPS
        settings.INSTALLED_APPS = [name, *there] if first else [*there, name]
        get_commands.cache_clear()

    yield add
    get_commands.cache_clear()
    for module in [name for name in sys.modules if name.startswith("shell_of_")]:
        del sys.modules[module]


def test_our_models_are_imported_automatically():
    found, printed = imported()
    assert found["Todo"] is models.Todo
    assert "from tests.models import" in printed
    assert "could not be" not in printed
    assert "User" in found  # of Django and of the tests


def test_a_command_given_to_the_shell_sees_them(capsys):
    call_command("shell", command="print(Todo._meta.label)", verbosity=0)
    assert capsys.readouterr().out == "tests.Todo\n"


def test_no_imports_imports_nothing():
    assert imported(no_imports=True) == ({}, "")


def test_the_model_of_the_earlier_app_wins_a_shared_name(settings):
    from django.contrib.auth.models import User

    assert imported()[0]["User"] is User
    apps = settings.INSTALLED_APPS
    settings.INSTALLED_APPS = ["tests", *(name for name in apps if name != "tests")]
    assert imported()[0]["User"] is models.User


def test_a_model_that_cannot_be_imported_is_left_out():
    class Hidden(ormist.Model):
        pass

    found, printed = imported()
    assert "Hidden" not in found
    assert "could not be" not in printed


EXTENDED = """
from django.core.management.commands import shell

class Command(shell.Command):
    help = "Of the project."

    def get_auto_imports(self):
        return [*super().get_auto_imports(), "decimal.Decimal"]
"""


def test_the_shell_of_a_later_app_is_kept_and_gets_them_too(add_app):
    add_app("shell_of_later", EXTENDED)
    found, _ = imported()
    assert {"Todo", "Decimal"} <= found.keys()
    assert load_command_class("django_ormist", "shell").help == "Of the project."


@pytest.mark.parametrize("is_first", [True, False])
def test_the_shell_of_an_app_may_derive_from_ours(add_app, is_first):
    ours = EXTENDED.replace("django.core.management", "django_ormist.management")
    add_app("shell_of_ours", ours, first=is_first)
    found, printed = imported()
    assert {"Todo", "Decimal"} <= found.keys()
    assert printed.count("tests.models") == 1


def test_a_shell_without_imports_stays_so(add_app):
    add_app(
        "shell_of_none",
        "from django.core.management.commands import shell\n"
        "class Command(shell.Command):\n"
        "    def get_auto_imports(self):\n"
        "        return None\n",
    )
    assert imported() == ({}, "")


def test_an_unrelated_shell_command_is_left_alone(add_app):
    add_app(
        "shell_of_another_kind",
        "from django.core.management.base import BaseCommand\n"
        "class Command(BaseCommand):\n"
        "    def handle(self, **options):\n"
        "        self.stdout.write('mine')\n",
    )
    out = StringIO()
    call_command("shell", stdout=out)
    assert out.getvalue() == "mine\n"
    assert not isinstance(load_command_class("django_ormist", "shell"), shell.Command)
