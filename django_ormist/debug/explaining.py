"""What a script does and costs, as its own header says."""

import re
from functools import cache
from importlib.resources import files

from ..operations.operation import Operation, Script


def explanation(operation: Operation) -> dict[str, str]:
    """{"does": one sentence, "cost": what it takes}; empty for a plain command."""
    if not isinstance(operation.command, Script):
        return {}
    header = _header(operation.command)
    does = header.partition("\n\n")[0].replace("\n", " ")
    found = re.search(r"^COST +(.*(?:\n {2,}.*)*)", header, re.MULTILINE)
    cost = re.sub(r"\s+", " ", found[1]) if found else ""
    return {"does": does, "cost": cost}


@cache
def _header(script: Script) -> str:
    """The comment that the script's own file begins with, without its dashes."""
    source = files("django_ormist.operations") / "scripts" / f"{script.name}.lua"
    lines = []
    for line in source.read_text().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return "\n".join(lines)
