"""ormist_inspect shows the store as a table and as JSON."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError, ManagementUtility

from django_ormist.checks import check_servers
from django_ormist.connections import inspection
from django_ormist.connections.inspection import NodeFacts, inspect_nodes
from django_ormist.keys import all_key, object_key
from django_ormist.management.server_text import describe_roles, format_node
from django_ormist.operations import stats
from django_ormist.testing import assert_round_trips
from tests.models import Page, Plain, Session, Todo, User
from tests.servers import wait_until


@pytest.fixture
def as_json(command):
    """Return the JSON output of the command."""

    def call(*words, **options):
        return json.loads(command("ormist_inspect", *words, format="json", **options))

    return call


def one_of(found, label):
    return next(each for each in found["models"] if each["model"] == label)


def test_inspect_counts_live_expiring_and_expired_objects(as_json, let_expire):
    Todo.objects.create("x")
    Todo.objects.create("x", "y", expire=3600)
    late = Todo.objects.create("x", expire=3600)
    let_expire(late)
    found = one_of(as_json("tests.Todo"), "tests.Todo")
    assert (found["count"], found["expiring"], found["expired"]) == (2, 1, 1)
    assert found["tags"] == [{"tag": "x", "count": 2}, {"tag": "y", "count": 1}]
    assert found["using"] == "default"


def test_inspect_without_a_model_shows_all_registered_ones(as_json):
    User.objects.create(name="Ann")
    found = as_json()
    labels = [each["model"] for each in found["models"]]
    assert {"tests.Plain", "tests.Todo", "tests.User", "tests.Page"} <= set(labels)
    assert labels == sorted(labels)
    assert one_of(found, "tests.User")["count"] == 1
    assert one_of(found, "tests.Todo")["count"] == 0


@pytest.mark.servers("valkey*", "redis*")
def test_inspect_describes_the_server(as_json, server):
    facts = as_json("tests.Todo")["server"]
    assert facts["alias"] == "default"
    assert facts["product"] == ("valkey" if "valkey" in server.name else "redis")
    assert facts["version"][0].isdigit()
    assert facts["role"] == "primary"
    assert facts["mode"] == ("cluster" if server.variant.is_cluster else "standalone")
    assert facts["memory"]["used_bytes"] > 0
    assert facts["persistence"]["append_only"] is False
    assert datetime.fromisoformat(facts["persistence"]["last_snapshot"]).tzinfo


@pytest.mark.servers("fakeredis")
def test_inspect_names_facts_that_the_server_does_not_give(command):
    Todo.objects.create("x")
    printed = command("ormist_inspect", "tests.Todo", format="json")
    found = json.loads(printed)
    assert found["models"][0]["bytes"] is None
    assert found["server"]["version"] is None
    table = command("ormist_inspect", "tests.Todo")
    assert "  -  " in table
    assert "fakeredis://" in table
    assert "version and memory unknown" in table
    shown = command("ormist_inspect", "tests.Todo", Todo.objects.all().ids()[0])
    assert printed.errors == table.errors == shown.errors == ""


@pytest.mark.servers("valkey*", "redis*")
def test_the_size_is_exact_if_every_key_was_read(as_json, server):
    Page.objects.bulk_create(
        Page("t", f"t{i % 7}", site=f"s{i % 3}", views=i, text="x" * i, expire=3600)
        for i in range(200)
    )
    keys = server.keys("*{tests.Page}*")
    by_hand = sum(server.client.memory_usage(key) for key in keys)
    found = as_json("tests.Page")["models"][0]
    assert found["sampled"] == 200
    assert abs(found["bytes"] - by_hand) <= 1  # one rounding


@pytest.mark.servers("valkey*", "redis*")
def test_the_size_of_many_objects_is_estimated_from_a_sample(
    as_json, command, server, monkeypatch
):
    monkeypatch.setattr(stats.sample, "__defaults__", (100,))
    User.objects.bulk_create(User(n=i % 10, text="x" * 100) for i in range(1000))
    keys = server.keys("*{tests.User}*")
    by_hand = sum(server.client.memory_usage(key) for key in keys)
    found = as_json("tests.User")["models"][0]
    assert found["sampled"] == 100
    assert 0.5 < found["bytes"] / by_hand < 2
    assert "about " in command("ormist_inspect", "tests.User")


def test_inspect_of_an_empty_store_shows_zero_objects(as_json):
    found = as_json("tests.Plain")["models"][0]
    assert (found["count"], found["tags"], found["sampled"]) == (0, [], 0)
    assert found["bytes"] in (0, None)


def test_inspect_shows_a_table_by_default(command, server):
    Todo.objects.create("x", "line\nbreak")
    lines = command("ormist_inspect", "tests.Todo").splitlines()
    head = "model using count expiring expired bytes largest tags"
    head += " node" if server.variant.is_cluster else ""
    assert lines[0].split() == head.split()
    assert lines[1].split()[:5] == ["tests.Todo", "default", "1", "0", "0"]
    assert "x (1)" in lines[1]
    assert r"'line\nbreak' (1)" in lines[1]
    assert lines[3].startswith("default: ")


def test_inspect_names_damaged_bytes_and_goes_on(as_json, command, server):
    Todo.objects.create("x", id="good")
    Todo.objects.create("x", id="bad")
    server.client.set(object_key(Todo._meta.space("default"), "bad"), b"\x00")
    assert as_json("tests.Todo")["models"][0]["unreadable"] == 1
    printed = command("ormist_inspect", "tests.Todo")
    assert ":o:bad" in printed.errors
    with pytest.raises(CommandError, match=":o:bad"):
        command("ormist_inspect", "tests.Todo", "bad")


def test_inspect_of_one_object_shows_everything_stored(as_json, server):
    when = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
    page = Page.objects.create(
        "b",
        "a",
        site="s",
        price=Decimal("1.50"),
        day=date(2024, 2, 29),
        views=3,
        n=2**70,
        expire=when,
    )
    found = as_json("tests.Page", page.id)
    assert found["model"] == "tests.Page"
    assert found["using"] == "default"
    assert found["id"] == page.id
    assert found["tags"] == ["b", "a"]
    assert found["counters"] == {"views": 3}
    assert found["expire"] == "2040-01-02T03:04:05+00:00"
    assert 0 < found["ttl"] <= page.ttl() + 60
    assert found["attrs"]["site"] == "s"
    assert found["attrs"]["price"]["$"][1] == "1.50"
    assert datetime.fromisoformat(found["created"]).year >= 2024
    assert found["bytes"] is None if server.variant.is_fake else found["bytes"] > 0


def test_inspect_of_one_object_without_expiry(as_json, command):
    plain = Plain.objects.create(text="x")
    found = as_json("tests.Plain", plain.id)
    assert found["expire"] is found["ttl"] is None
    assert found["counters"] == {}
    table = command("ormist_inspect", "tests.Plain", plain.id)
    assert "expires    never" in table
    assert "attr text  'x'" in table


def test_inspect_shows_hostile_text_escaped(command, as_json):
    pk = "\x1b[31m{id}\n*"
    Todo.objects.create("t\r", id=pk, **{"na\x07me": "va\x1b\nlue"})
    printed = command("ormist_inspect", "tests.Todo", pk)
    assert not set(printed) & set("\x1b\x07\r")
    assert as_json("tests.Todo", pk)["attrs"] == {"na\x07me": "va\x1b\nlue"}


def test_inspect_names_an_unknown_model_and_a_fix(command):
    with pytest.raises(CommandError, match=r"'tests\.Nope'.*INSTALLED_APPS") as error:
        command("ormist_inspect", "tests.Nope")
    assert error.value.returncode == 1
    with pytest.raises(CommandError, match="needs a model"):
        command("ormist_inspect", id="x")


def test_an_error_is_one_line_and_exit_code_1(server, capsys):
    # Without the checks of the project: other tests declare models of one name.
    words = ["manage.py", "ormist_inspect", "tests.Todo", "nope", "--skip-checks"]
    with pytest.raises(SystemExit) as ended:
        ManagementUtility(words).execute()
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("CommandError: There is no tests.Todo")


def test_a_table_truncates_a_long_tag(command):
    Todo.objects.create("x" * 10_000)
    assert f"{'x' * 37}... (1)" in command("ormist_inspect", "tests.Todo")


def test_inspect_explains_an_unknown_id(command, server, let_expire):
    with pytest.raises(CommandError, match=r"no tests\.Todo with the id 'nope'"):
        command("ormist_inspect", "tests.Todo", "nope")
    late = Todo.objects.create("x", expire=3600)
    let_expire(late)
    with pytest.raises(CommandError, match=r"expired at .* ormist_sweep"):
        command("ormist_inspect", "tests.Todo", late.id)
    lost = Todo.objects.create("x")
    server.client.delete(object_key(Todo._meta.space("default"), lost.id))
    with pytest.raises(CommandError, match="still has it"):
        command("ormist_inspect", "tests.Todo", lost.id)
    with pytest.raises(CommandError, match="surrogate"):
        command("ormist_inspect", "tests.Todo", "\ud800")


def test_inspect_names_the_alias_of_an_unreachable_server(command, server):
    server.connect("redis://127.0.0.1:1/0") if not server.variant.is_fake else None
    if server.variant.is_fake:
        with pytest.raises(CommandError, match="nope"):
            command("ormist_inspect", "--using", "nope")
    else:
        with pytest.raises(CommandError, match="'default'"):
            command("ormist_inspect", "tests.Todo")


def test_inspect_does_not_write(command, server):
    Session.objects.create(user_id=1)
    before = {key: server.client.dump(key) for key in server.keys("*")}
    command("ormist_inspect")
    assert {key: server.client.dump(key) for key in server.keys("*")} == before


def test_inspect_of_a_key_of_another_type_is_a_clear_error(command, server):
    server.client.set(all_key(Todo._meta.space("default")), "somebody's")
    with pytest.raises(CommandError, match="WRONGTYPE"):
        command("ormist_inspect", "tests.Todo")


def test_inspect_of_models_on_two_aliases_describes_both_servers(
    as_json, server, settings
):
    settings.ORMIST = {
        **settings.ORMIST,
        "second": dict(settings.ORMIST["default"], KEY_PREFIX=f"{server.key_prefix}:2"),
    }
    Todo.objects.using("second").create("x")
    found = as_json("--using", "second")
    assert found["server"]["alias"] == "second"
    assert [each["alias"] for each in found["servers"]] == ["second"]
    assert one_of(found, "tests.Todo")["count"] == 1


@pytest.mark.servers("valkey91", "redis62", "fakeredis")
def test_inspect_gives_the_role_and_the_offset_of_the_one_server(as_json, server):
    (node,) = as_json("tests.Todo")["server"]["nodes"]
    role = None if server.variant.is_fake else "primary"
    assert node["role"] == role
    assert (node["offset"] is None) == server.variant.is_fake
    assert as_json("tests.Todo")["server"]["sentinels"] == []


@pytest.mark.servers("*-sentinel")
def test_inspect_describes_the_replicas_and_the_sentinels(as_json, command, server):
    Todo.objects.create("x")
    server.catch_up()
    facts = as_json("tests.Todo")["server"]
    primary, *replicas = facts["nodes"]
    assert primary["role"] == "primary"
    assert primary["keys"] > 0
    assert [each["role"] for each in replicas] == ["replica", "replica"]
    for each in replicas:
        assert each["primary"] == primary["address"]
        assert each["link"] == "up"
        assert each["offset"] > 0
        assert each["lag_bytes"] >= 0
        assert each["keys"] > 0
    assert len(facts["sentinels"]) == 3
    for each in facts["sentinels"]:
        assert each["primary"] == primary["address"]
        assert (each["quorum"], each["sentinels"], each["replicas"]) == (2, 3, 2)
        assert each["flags"] == "master"
    printed = command("ormist_inspect", "tests.Todo")
    assert printed.count(f"replica of {primary['address']}") == 2
    assert all(each["address"] in printed for each in facts["sentinels"])
    assert "primary, 2 replicas" in printed
    assert "master" not in printed.replace("mymaster", "")


@pytest.mark.servers("valkey91-sentinel")
@pytest.mark.parametrize("role", ["primary", "replica"])
def test_inspect_and_checks_name_a_server_that_is_down_behind_sentinel(
    as_json, command, server, role
):
    """Its primary forgets a replica that is down, and the sentinels do not."""
    Todo.objects.create("x")
    nodes = server.variant.nodes()
    nodes.catch_up()
    down = nodes.primary() if role == "primary" else nodes.replicas()[0]
    address = f"127.0.0.1:{down.port}"
    try:
        down.kill()
        if role == "replica":
            with nodes.primary().client() as client:
                wait_until(
                    lambda: client.info("replication")["connected_slaves"] == 1,
                    "The primary has forgotten the replica",
                )
        found = inspect_nodes("default")
        assert len(found.nodes) == 3
        assert [each.address for each in found.nodes if each.error] == [address]
        assert (found.find(address).role, found.find(address).link) == (role, "down")
        warnings = check_servers(None)
        assert [each.id for each in warnings] == ["ormist.W003"]
        assert f"at {address}, one of its nodes, does not answer" in warnings[0].msg
        if role == "replica":
            nodes_shown = as_json("tests.Todo")["server"]["nodes"]
            assert [n["address"] for n in nodes_shown if n["error"]] == [address]
            printed = command("ormist_inspect", "tests.Todo")
            assert f"  {address}: Error" in printed
            assert "primary, 1 replica;" in printed
    finally:
        nodes.heal()


@pytest.mark.servers("valkey91-sentinel")
def test_a_server_that_is_named_by_its_host_and_its_ip_is_shown_once(
    server, monkeypatch
):
    server.catch_up()
    reported = inspection.replicas_in

    def by_host(reply):
        return {("localhost", port): True for _, port in reported(reply)}

    monkeypatch.setattr(inspection, "replicas_in", by_host)
    assert len(inspect_nodes("default").nodes) == 3


def test_a_replica_that_is_level_is_behind_by_no_seconds():
    node = NodeFacts("a:1", "replica", lag_bytes=0, lag_seconds=1, link="up")

    def behind(**changes):
        return format_node(replace(node, **changes).to_dict())[4]

    assert behind() == "0 bytes"
    assert behind(lag_bytes=7) == "7 bytes, 1 s"
    assert behind(link="down") == "0 bytes, 1 s"


def test_a_former_primary_that_is_down_is_not_counted_as_a_primary():
    live = [NodeFacts(f"a:{n}", "primary", slots=((n, n),)) for n in range(2)]
    lost = NodeFacts("a:2", "primary", slots=((2, 2),), error="Down.")
    former = NodeFacts("a:3", "primary", error="Down.")
    nodes = [each.to_dict() for each in (*live, lost, former)]
    facts = {"nodes": nodes, "role": "primary", "replicas": 2}
    assert describe_roles(facts) == "3 primaries, 2 replicas"


def test_facts_of_several_primaries_are_added_up():
    info = {"redis_version": "8.2.3", "role": "master", "maxmemory": "100"}
    first = stats.server_facts({**info, "used_memory": "7", "aof_enabled": "1"})
    second = stats.server_facts(
        {**info, "used_memory": "5", "aof_enabled": "0", "redis_version": "8.2.4"}
    )
    merged = stats.merge_facts([first, second])
    assert merged["version"] == "8.2.3, 8.2.4"
    assert merged["memory"]["used_bytes"] == 12
    assert merged["memory"]["limit_bytes"] == 200
    assert merged["persistence"]["append_only"] is False
    assert merged["uptime_seconds"] is None
    unlimited = stats.server_facts({**info, "maxmemory": "0"})
    assert stats.merge_facts([first, unlimited])["memory"]["limit_bytes"] == 0
    assert stats.merge_facts([first]) == first
    assert stats.merge_facts([]) == stats.server_facts({})


@pytest.mark.servers(
    *("valkey91", "valkey91-resp3", "redis62", "fakeredis"),
    *("valkey91-cluster", "valkey91-sentinel"),
)
def test_the_sample_of_a_schema_is_spread_and_takes_a_round_trip_per_batch(as_json):
    def schema(model, **options):
        found = as_json(model._meta.label, schema=True, **options)["models"][0]
        return found, next(e for e in found["attributes"] if e["name"] == "n")

    Plain.objects.bulk_create(Plain(n=n // 250) for n in range(1000))
    assert schema(Plain, sample=4)[0]["sampled"] == 4
    _, n = schema(Plain, sample=8)
    assert (n["types"], sorted(n["examples"])) == ({"int": 8}, ["0", "1", "2"])
    with assert_round_trips(3):  # the number of objects, their ids, the objects
        assert schema(Plain)[0]["sampled"] == 1000
    Page.objects.create("x", n=1, views=2)
    found, _ = schema(Page)
    views = next(e for e in found["attributes"] if e["name"] == "views")
    assert (views["indexes"], views["examples"]) == (["counter"], ["2"])
