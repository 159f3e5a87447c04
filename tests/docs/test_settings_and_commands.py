"""The reference of settings, commands, checks and versions is complete."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import BaseCommand

from django_ormist import conf
from django_ormist.admin import checks as admin_checks
from django_ormist.connections import urls
from django_ormist.connections.options import MAX_CONNECTIONS, PROTOCOL, TIMEOUT
from tests.docs.pages import DOCS, blocks
from tests.models import Todo
from tests.servers import ROOT


def text_of(page):
    return (DOCS / f"{page}.rst").read_text()


def commands():
    """Return the names of the commands of this package."""
    return {name for name, app in get_commands().items() if app == "django_ormist"}


def test_the_settings_of_the_page_are_valid(settings):
    (code,) = blocks("reference/settings")
    names = {}
    exec(code, names)
    settings.ORMIST = names["ORMIST"]
    names = {conf.read_alias(name).name for name in conf.get_setting()}
    assert names == {"default", "shared", "secure", "dev", "tests"}


def test_every_key_and_its_default_are_on_the_page():
    text = text_of("reference/settings")
    keys = set(re.findall(r"(?m)^``([A-Z_]+)``", text))
    assert keys == set(conf._KEYS)
    plain = conf.Alias("x")
    assert f'``KEY_PREFIX`` (default: ``"{plain.key_prefix}"``)' in text
    assert f'``CODEC`` (default: ``"{plain.codec}"``)' in text
    assert all(f'``"{codec}"``' in text for codec in conf.CODECS)
    for name, value in {
        "max_connections": MAX_CONNECTIONS,
        "timeout": int(TIMEOUT),
        "protocol": PROTOCOL,
    }.items():
        assert f"``{name}`` ({value})" in text


def test_every_scheme_is_on_the_page():
    text = text_of("reference/settings")
    schemes = (*urls._SCHEMES, "redis+sentinel", "redis+cluster")
    assert all(f"``{scheme}://" in text for scheme in schemes)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"LOCATION": "redis://localhost", "CACHE": "default"},
        {"LOCATION": "redis://localhost", "HOST": "localhost"},
        {"CACHE": "default", "OPTIONS": {"db": 1}},
        {"LOCATION": "redis://localhost", "KEY_PREFIX": "a:lost"},
        {"LOCATION": "redis://localhost", "KEY_PREFIX": "{a}"},
        {"LOCATION": "redis://localhost", "TEST": {"OPTIONS": {"db": 1}}},
    ],
)
def test_errors_named_on_the_page_are_raised(entry):
    with pytest.raises(ImproperlyConfigured, match="ORMIST"):
        conf.read_alias("default", {"default": entry})


def test_every_command_and_option_is_on_the_page():
    text = text_of("reference/commands")
    assert set(re.findall(r"manage\.py (\w+)", text)) == commands()
    sections = re.split(r"(?m)^``(\w+).*``\n-+$", text)
    described = dict(zip(sections[1::2], sections[2::2], strict=True))
    assert set(described) == commands()
    base = BaseCommand().create_parser("manage.py", "x")
    known = {word for each in base._actions for word in each.option_strings}
    known |= {"--using", "--skip-checks"}  # described once for all commands
    for name in commands():
        if not name.startswith("ormist_"):
            continue
        parser = load_command_class("django_ormist", name).create_parser("m", name)
        options = {word for each in parser._actions for word in each.option_strings}
        shown = set(re.findall(r"(?m)^``(--[a-z-]+)", described[name]))
        shown |= set(re.findall(r"(?m)^``--noinput``, ``(--[a-z-]+)", described[name]))
        assert shown == options - known, name


def test_the_samples_of_the_page_are_accepted():
    for line in blocks("reference/commands", "shell")[0].splitlines():
        words = line.partition("#")[0].split()[2:]
        if not words:
            continue
        command = load_command_class("django_ormist", words[0])
        command.create_parser("manage.py", words[0]).parse_args(words[1:])


def test_every_json_key_of_inspect_is_on_the_page(capsys, ormist):
    todo = Todo.objects.create("home", expire=60)
    call_command("ormist_inspect", "tests.Todo", format="json")
    shown = json.loads(capsys.readouterr().out)
    call_command("ormist_inspect", "tests.Todo", todo.id, format="json")
    one = json.loads(capsys.readouterr().out)
    assert keys_of([shown, one]) <= set(
        re.findall(r"``(\w+)``", text_of("reference/commands"))
    )


def keys_of(found):
    """Return every key of nested dicts and lists."""
    if isinstance(found, list):
        return {key for each in found for key in keys_of(each)}
    if isinstance(found, dict):
        return {*found, *keys_of(list(found.values()))}
    return set()


def test_every_check_is_on_the_page():
    package = Path(conf.__file__).parent
    source = (package / "checks.py").read_text()
    ids = set(re.findall(r'"(?:ormist\.)?([EW]\d{3})"', source))
    ids |= set(
        re.findall(r"ormist\.([EW]\d{3})", Path(admin_checks.__file__).read_text())
    )
    shown = re.findall(r"(?m)^``ormist\.([EW]\d\d\d)``", text_of("reference/checks"))
    assert sorted(shown) == sorted(ids)


def test_the_versions_match_the_package():
    text = text_of("reference/compatibility")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for words in project["classifiers"]:
        name, _, version = words.rpartition(" :: ")
        if re.fullmatch(r"\d+\.\d+", version):
            assert re.search(rf"(?m)^{name.split(' :: ')[1]} .*\b{version}\b", text)
    extras = [
        each for some in project["optional-dependencies"].values() for each in some
    ]
    for requirement in [*project["dependencies"], *extras]:
        name, version = re.match(r"([\w-]+)[^>]*>=([\d.]+)", requirement).groups()
        if name != "Django":
            shown = {"redis": "redis-py"}.get(name, name)
            assert re.search(rf"(?m)^{shown} +{version}\b", text), requirement
