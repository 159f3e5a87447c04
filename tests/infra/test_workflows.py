"""The workflows and the hooks run the same commands as .ci/run and noxfile.py."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"

TARGETS = re.compile(r"(?m)^ *(?:- run: )?(make [^<\n]*[^<\s])")


def test_the_workflow_makes_the_same_targets_as_the_ci_script():
    script = (ROOT / ".ci" / "run").read_text()
    workflow = (WORKFLOWS / "ci.yml").read_text()
    assert TARGETS.findall(workflow) == TARGETS.findall(script) != []


def test_the_workflow_requires_the_servers_that_the_ci_script_requires():
    (required,) = re.findall(
        r'REQUIRED_SERVERS="(.*)"', (ROOT / ".ci" / "run").read_text()
    )
    workflow = (WORKFLOWS / "ci.yml").read_text()
    assert set(re.findall(r"REQUIRED_SERVERS: (.*)", workflow)) == {required}


def test_the_weekly_workflow_makes_a_target_of_the_makefile():
    (target,) = TARGETS.findall((WORKFLOWS / "newest.yml").read_text())
    assert target == "make test-newest"
    assert "\ntest-newest:" in (ROOT / "Makefile").read_text()


def test_the_hooks_are_local_and_run_the_tools_of_lint():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"repo: (.*)", hooks) == ["local"]
    lint = (ROOT / "noxfile.py").read_text()
    tools = re.findall(r"entry: \.venvs/lint/bin/(\w+)", hooks)
    assert len(tools) == hooks.count("entry:")
    for tool in tools:
        assert f'session.run("{tool}"' in lint
