"""CONTRIBUTING names only files and targets that exist, and the complete package."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.rst").read_text()
PACKAGE = ROOT / "django_ormist"
SCRIPTS = PACKAGE / "operations" / "scripts"

MAP = TEXT.partition("django_ormist/\n")[2].partition("\n\n")[0]
NAMES = re.findall(r"``([\w./]+(?:\.\w+|/))``", TEXT)


@pytest.mark.parametrize("name", re.findall(r"\S+(?:\.py|/)(?=\s)", MAP))
def test_each_name_of_the_map_exists(name):
    assert (PACKAGE / name).exists()


def test_the_map_names_each_folder_and_module_of_the_package():
    folders = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py")}
    assert folders | modules <= set(MAP.split())


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_each_named_file_exists(name):
    if name.startswith((".venvs/", "build/")) or "name." in name:  # an example
        return
    assert any((folder / name).exists() for folder in (ROOT, PACKAGE, SCRIPTS))


def test_each_named_target_is_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:``|  )make ([a-z-]+)", TEXT):
        assert f"\n{target}:" in makefile, target
