"""The text of ormist_inspect about servers, nodes and sentinels."""

from typing import Any

from django.template.defaultfilters import filesizeformat

from ..connections.inspection import describe_flags
from .command import align_columns, printable

NODE_COLUMNS = (
    "node",
    "role",
    "link",
    "offset",
    "behind",
    "slots",
    "keys",
    "memory",
    "version",
)
SENTINEL_COLUMNS = ("sentinel", "primary", "state", "quorum", "sentinels", "replicas")


def format_server(facts: dict[str, Any]) -> str:
    """Return the facts of a server as one line."""
    memory, persistence = facts["memory"], facts["persistence"]
    parts = [f"{facts['alias']}: {facts['location']}"]
    if facts["version"]:
        parts.append(f"{facts['product']} {facts['version']}")
        parts.append(describe_roles(facts))
        limit = memory["limit_bytes"]
        parts.append(
            f"memory {format_size(memory['used_bytes'])} of "
            f"{format_size(limit) if limit else 'no limit'}, "
            f"{memory['eviction_policy']}"
        )
        parts.append(
            f"append-only file {'on' if persistence['append_only'] else 'off'}, "
            f"last snapshot {persistence['last_snapshot'] or 'never'}"
        )
    else:
        parts.append("version and memory unknown")
    return "; ".join(parts)


def describe_roles(facts: dict[str, Any]) -> str:
    """Return a text about primaries and replicas, without former primaries."""
    number = sum(
        node["role"] == "primary" and bool(node["slots"] or not node["error"])
        for node in facts["nodes"]
    )
    role = facts["role"] if number < 2 else f"{number} primaries"
    replicas = facts["replicas"]
    return f"{role}, {replicas} replica{'' if replicas == 1 else 's'}"


def format_nodes(facts: dict[str, Any]) -> list[str]:
    """Return the nodes and sentinels of an alias as lines of tables, if it has some."""
    lines: list[str] = []
    nodes, sentinels = facts["nodes"], facts["sentinels"]
    if len(nodes) > 1 or sentinels:
        rows = [NODE_COLUMNS, *map(format_node, nodes)]
        lines += align_columns(rows, numeric=(3, 4, 5, 6, 7))
    if sentinels:
        rows = [SENTINEL_COLUMNS, *map(format_sentinel, sentinels)]
        lines += align_columns(rows, numeric=(3, 4, 5))
    for each in (*nodes, *sentinels):
        if each["error"]:
            lines.append(f"{each['address']}: {printable(each['error'])}")
    return [f"  {line}" for line in lines]


def format_node(node: dict[str, Any]) -> tuple[str, ...]:
    """Return a node as a row."""
    behind = "-" if node["lag_bytes"] is None else format_size(node["lag_bytes"])
    if node["lag_seconds"] and (node["lag_bytes"] or node["link"] == "down"):
        behind += f", {node['lag_seconds']} s"
    role = node["role"] or "unknown"
    if node["role"] == "replica" and node["primary"]:
        role = f"replica of {node['primary']}"
    slots = sum(last - first + 1 for first, last in node["slots"])
    version = " ".join(filter(None, (node["product"], node["version"])))
    return (
        node["address"],
        role,
        node["link"] or "-",
        format_number(node["offset"]),
        behind,
        str(slots) if slots else "-",
        format_number(node["keys"]),
        format_size(node["memory"]["used_bytes"]),
        version or "-",
    )


def format_sentinel(sentinel: dict[str, Any]) -> tuple[str, ...]:
    """Return a sentinel as a row."""
    numbers = (sentinel[name] for name in ("quorum", "sentinels", "replicas"))
    return (
        sentinel["address"],
        sentinel["primary"] or "-",
        describe_flags(sentinel["flags"]) or "does not reply",
        *map(format_number, numbers),
    )


def format_number(number: int | None) -> str:
    """Return a number, or a dash if unknown."""
    return "-" if number is None else str(number)


def format_size(size_bytes: int | None) -> str:
    """Return a number of bytes for people, or a dash if unknown."""
    return (
        "-" if size_bytes is None else filesizeformat(size_bytes).replace("\xa0", " ")
    )
