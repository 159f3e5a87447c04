"""Models of test modules have different names: one process may import them all."""

import ast
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
BASES = {"Model", "TaggedModel", "TaggedAttrsModel"}


def models_of(path):
    """Return the names of the models that a module defines outside functions."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            names = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            if names & BASES:
                yield node.name


def test_no_two_test_modules_define_a_model_of_one_name():
    modules = defaultdict(list)
    for path in sorted({*TESTS.rglob("*.py")} - {*TESTS.glob("typing/*")}):
        for name in models_of(path):
            modules[name].append(path.relative_to(TESTS).as_posix())
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}
