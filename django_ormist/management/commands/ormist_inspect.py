"""Show stored data: models, the server, one object."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from ...codecs import as_plain
from ...connections import connections
from ...connections.executor import run
from ...connections.inspection import Nodes, inspect_nodes, locate
from ...models import Model
from ...operations import stats
from ...operations.operation import Flow, Operation
from ..command import (
    OrmistCommand,
    Progress,
    align_columns,
    find_model,
    find_models,
    printable,
    safe_url,
)
from ..moving import warn_of_other_slots
from ..schema_report import SchemaReport
from ..server_text import format_nodes, format_number, format_server, format_size
from ..verification import Inspection

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SAMPLE = 1000
"""Objects that --schema reads of each model."""

MOST_SAMPLED = 1_000_000

RESUME_REPAIR = "Repaired faults stay repaired; run the same command again to go on."


@dataclass(frozen=True)
class InspectedObject:
    """One object with its facts in the store. size_bytes: None if unknown."""

    instance: Model
    stored: stats.Stored
    size_bytes: int | None
    using: str


class Command(OrmistCommand):
    """A report of stored data, or of the faults in it."""

    help = (
        "Shows the stored data of each model (objects, objects that expire, expired "
        "objects that are not swept yet, bytes, the largest tags) and its server. With "
        "an id, shows one object. --schema shows what is declared, and what a sample "
        "of objects holds. --verify compares every object with every index "
        "entry, and ends with 1 if it finds a fault. --repair repairs the faults, and "
        "ends with 1 if any is left. Both may run while others read and write."
    )
    resume = "The data was not changed. Run the same command again."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("id", nargs="?", metavar="ID", help="The id of one object.")
        parser.add_argument(
            "--format",
            choices=("table", "json"),
            default="table",
            help="A table for people, or JSON for programs. Default: table.",
        )
        action = parser.add_mutually_exclusive_group()
        action.add_argument(
            "--verify",
            action="store_true",
            help="Find damage. It only reads, and may run while others write.",
        )
        action.add_argument(
            "--schema",
            action="store_true",
            help="Show the declared attributes and the indexes, and the attributes of "
            "a sample of objects with those that do not fit.",
        )
        action.add_argument(
            "--repair",
            action="store_true",
            help="Find and repair damage, each object in one atomic step. Damaged data "
            "is kept for a week under PREFIX:lost:. May run while others write.",
        )
        parser.add_argument(
            "--sample",
            type=int,
            metavar="N",
            help="With --schema: the number of objects to read, spread over each "
            f"model. Default: {SAMPLE}.",
        )
        parser.add_argument(
            "--orphans",
            action="store_true",
            help="With --repair and no model: quarantine the keys of models that this "
            "project does not declare, too.",
        )

    def run_command(self, **options: Any) -> None:
        self.is_quiet, self.warned = options["verbosity"] == 0, set[str]()
        label, pk, using = options["model"], options["id"], options["using"]
        if pk is not None and label is None:
            raise CommandError("An id needs a model: ormist_inspect app.Model ID")
        is_json = options["format"] == "json"
        if options["repair"]:
            self.resume = RESUME_REPAIR
        if options["verify"] or options["repair"]:
            if pk is not None:
                raise CommandError("An id cannot be verified alone: leave it out.")
            Inspection(self, options).run()
            return
        if options["orphans"]:
            raise CommandError("--orphans needs --repair.")
        if options["schema"]:
            self.show_schemas(options)
            return
        if options["sample"] is not None:
            raise CommandError("--sample needs --schema.")
        if pk is None:
            found = self.collect(label, using)
            lines = to_json_lines(found) if is_json else format_report(found)
        else:
            model = find_model(label)
            shown = self.inspect_object(model, pk, using or model._meta.using)
            lines = (
                to_json_lines(object_to_dict(shown))
                if is_json
                else format_object(shown)
            )
        self.stdout.write("\n".join(lines))

    # Declarations

    def show_schemas(self, options: dict[str, Any]) -> None:
        """Write the SchemaReport of one model, or of all."""
        if options["id"] is not None:
            raise CommandError("--schema is about a model: leave the id out.")
        size = SAMPLE if options["sample"] is None else options["sample"]
        if not 1 <= size <= MOST_SAMPLED:
            raise CommandError(f"--sample takes 1 to {MOST_SAMPLED}, not {size}.")
        reports = []
        with Progress(self, options["verbosity"], to_errors=True) as progress:
            for model in find_models(options["model"]):
                report = SchemaReport(model, options["using"] or model._meta.using)
                report.read(size, progress)
                reports.append(report)
        if options["format"] == "json":
            lines = to_json_lines({"models": [each.to_dict() for each in reports]})
        else:
            lines = [line for each in reports for line in [*each.format_lines(), ""]]
            lines.pop() if lines else None
        self.stdout.write("\n".join(lines))

    # Models and servers

    def collect(self, label: str | None, using: str | None) -> dict[str, Any]:
        """Return the facts of the models and of each of their servers."""
        chosen = [(each, using or each._meta.using) for each in find_models(label)]
        aliases = list(dict.fromkeys(alias for _, alias in chosen))
        nodes: dict[str, Nodes] = {}
        servers = []
        for alias in aliases or [using or "default"]:
            nodes[alias] = self.inspect_nodes(alias)
            servers.append(self.inspect_server(alias, nodes[alias]))
        models = [self.inspect_model(*each, nodes[each[1]]) for each in chosen]
        main = next((s for s in servers if s["alias"] == "default"), servers[0])
        return {"models": models, "server": main, "servers": servers}

    def inspect_model(
        self, model: type[Model], using: str, nodes: Nodes
    ) -> dict[str, Any]:
        """Return the facts of a model. If its node fails, the counts are None."""
        facts = self.count_or_explain(model, using, nodes)
        return {**facts, "elsewhere": self.find_elsewhere(model, using)}

    def count_or_explain(
        self, model: type[Model], using: str, nodes: Nodes
    ) -> dict[str, Any]:
        found = locate(using, model._meta.space(using).base)
        if found is None:
            return self.count_model(model, using)
        slot, address = found
        node = nodes.find(address)
        place = {"slot": slot, "node": address or None}
        error = node.error if node is not None else None
        if error is None:
            try:
                return self.count_model(model, using) | place
            except (ConnectionError, TimeoutError) as raised:
                error = str(raised)
        label = printable(model._meta.label)
        self.stderr.write(f"{label}: its node {address} does not reply. {error}")
        names = ("count", "expiring", "expired", "bytes")
        unknown = dict.fromkeys(names) | {"sampled": 0, "unreadable": 0}
        return {
            "model": model._meta.label,
            "using": using,
            **unknown,
            "tags": [],
            **place,
        }

    def count_model(self, model: type[Model], using: str) -> dict[str, Any]:
        meta, space = model._meta, model._meta.space(using)
        counts = run(stats.model_counts(space), using)
        seen = run(stats.sample(space, meta.indexes), using)
        for key in seen.unreadable:
            self.stderr.write(
                f"{printable(meta.label)}: the bytes at {key!r} are damaged."
            )
        tags = run(stats.largest_tags(space, seen), using)
        size = stats.size_bytes(meta.schema(using), seen)
        return {
            "model": meta.label,
            "using": using,
            "count": counts.count,
            "expiring": counts.expiring,
            "expired": counts.expired,
            "bytes": self.run_or_warn(size, using),
            "sampled": len(seen.rows),
            "unreadable": len(seen.unreadable),
            "tags": [{"tag": tag, "count": number} for tag, number in tags],
        }

    def find_elsewhere(self, model: type[Model], using: str) -> list[dict[str, Any]]:
        """Return the objects in other slots, which may be on a node that fails."""
        try:
            found = warn_of_other_slots(self, model, using)
        except (ConnectionError, TimeoutError) as error:
            label = printable(model._meta.label)
            self.stderr.write(f"{label}: keys in other slots are not counted. {error}")
            return []
        return [{"keys": each.name, "count": n} for each, n in found.items()]

    def inspect_nodes(self, alias: str) -> Nodes:
        """Return the nodes of an alias. Print the refusals of the one server."""
        nodes = inspect_nodes(alias)
        if not any(node.info for node in nodes.nodes):
            self.run_or_warn(stats.server_info(), alias)
        return nodes

    def inspect_server(self, alias: str, nodes: Nodes) -> dict[str, Any]:
        facts = stats.merge_facts(
            [stats.server_facts(node.info) for node in nodes.main if node.info]
        )
        persistence = facts["persistence"]
        saved = persistence["last_snapshot"]
        persistence["last_snapshot"] = format_moment(saved and saved * 1_000_000)
        return {
            "alias": alias,
            "location": safe_url(alias),
            **facts,
            "nodes": [node.to_dict() for node in nodes.nodes],
            "sentinels": [each.to_dict() for each in nodes.sentinels],
        }

    def run_or_warn(self, flow: Flow[Any] | Operation, using: str) -> Any:
        """Return the result of *flow*. Print a refusal of the server and return None.

        An ACL or a host may forbid INFO and MEMORY. fakeredis has neither, which is
        not worth a warning.
        """
        try:
            return run(flow, using)
        except ResponseError as error:
            is_fake = connections[using].endpoint.address is None
            if not (is_fake or self.is_quiet or using in self.warned):
                self.stderr.write(
                    f"The server of {using!r} does not show everything: {error}"
                )
            self.warned.add(using)
            return None

    # One object

    def inspect_object(
        self, model: type[Model], pk: str, using: str
    ) -> InspectedObject:
        """Return the facts of one object. Raises CommandError if it does not exist."""
        space = model._meta.space(using)
        try:
            stored = run(stats.load_stored(space, pk), using)
        except ValueError as error:
            raise CommandError(str(error)) from error
        if stored.packed is None:
            raise CommandError(explain_absence(model._meta.label, pk, using, stored))
        row = (pk.encode(), stored.packed, stored.counters)
        instance = model._from_row(row, space, using)
        size = self.run_or_warn(stats.object_size_bytes(space, pk), using)
        return InspectedObject(instance, stored, size, using)


def explain_absence(label: str, pk: str, using: str, stored: stats.Stored) -> str:
    """Return the reason why an object is absent, as far as the index shows it."""
    text = f"There is no {label} with the id {pk!r} on {using!r}."
    if stored.expire_at_ms is not None:
        deadline = format_moment(stored.expire_at_ms * 1000)
        return (
            f"{text} It expired at {deadline}; ormist_sweep removes its index entries."
        )
    if stored.created_us is not None:
        return (
            f"{text} The index still has it: its bytes were evicted, or removed by "
            "another client. ormist_inspect --repair removes its entries."
        )
    return f"{text} Ids are case-sensitive; --using chooses another alias."


def format_moment(since_epoch_us: int | None) -> str | None:
    """Return microseconds since 1970, if given, as ISO 8601 in UTC."""
    if since_epoch_us is None:
        return None
    try:
        return (EPOCH + timedelta(microseconds=since_epoch_us)).isoformat()
    except OverflowError:
        return f"{since_epoch_us} microseconds after 1970"


def to_json_lines(found: dict[str, Any]) -> list[str]:
    """Return JSON as lines of ASCII, which every terminal and pipe can show."""
    return [json.dumps(found, indent=2)]


def object_to_dict(shown: InspectedObject) -> dict[str, Any]:
    """Return an object as a dict for JSON. The "json" codec converts attrs."""
    instance, stored = shown.instance, shown.stored
    return {
        "model": instance._meta.label,
        "using": shown.using,
        "id": instance.id,
        "attrs": as_plain(instance.attrs)["attrs"],
        "tags": instance._state.tags,
        "expire": instance.expire and instance.expire.isoformat(),
        "ttl": instance.ttl(),
        "counters": stored.counters,
        "created": format_moment(stored.created_us),
        "bytes": shown.size_bytes,
    }


def format_object(shown: InspectedObject) -> list[str]:
    """Return an object as lines for people. Values are shown as Python writes them."""
    instance, stored = shown.instance, shown.stored
    expire = "never"
    if instance.expire is not None:
        expire = f"{instance.expire.isoformat()}, in {instance.ttl():.0f} seconds"
    pairs = [
        ("model", f"{printable(instance._meta.label)} ({shown.using})"),
        ("id", printable(instance.id)),
        ("created", format_moment(stored.created_us) or "not in the index"),
        ("expires", expire),
        ("bytes", format_size(shown.size_bytes)),
        ("tags", ", ".join(map(printable, instance._state.tags)) or "none"),
        *(
            (f"counter {printable(name)}", str(n))
            for name, n in stored.counters.items()
        ),
        *(
            (f"attr {printable(name)}", format_value(v))
            for name, v in instance.attrs.items()
        ),
    ]
    return align_columns(pairs)


def format_value(value: Any) -> str:
    """Return a value as Python writes it, or as JSON if a number is too long."""
    try:
        return repr(value)
    except ValueError:
        return json.dumps(as_plain({"": value})["attrs"][""])


def format_report(found: dict[str, Any]) -> list[str]:
    """Return the models as a table, then a line for each server."""
    names = ["model", "using", "count", "expiring", "expired", "bytes", "largest tags"]
    has_nodes = any("node" in each for each in found["models"])
    rows = [[*names, "node"] if has_nodes else names]
    for each in found["models"]:
        estimated = each["bytes"] is not None and each["sampled"] < each["count"]
        size = ("about " if estimated else "") + format_size(each["bytes"])
        tags = ", ".join(f"{shorten(t['tag'])} ({t['count']})" for t in each["tags"])
        numbers = map(format_number, (each[name] for name in names[2:5]))
        row = [printable(each["model"]), each["using"], *numbers, size, tags]
        rows.append([*row, each.get("node") or "-"] if has_nodes else row)
    lines = [*align_columns(rows, numeric=(2, 3, 4, 5)), ""]
    for facts in found["servers"]:
        lines += [format_server(facts), *format_nodes(facts)]
    return lines


def shorten(tag: str) -> str:
    """Return a tag for a table, shortened."""
    return printable(tag if len(tag) <= 40 else f"{tag[:37]}...")
