"""The benchmark of peers: its report, its checks, and a quick run of what is here."""

import json
import subprocess
import sys

import fakeredis
import pytest

from benchmarks.peers import contest, facts, report
from benchmarks.peers.__main__ import (
    MANUAL,
    PEERS,
    QUICK,
    RESULTS,
    describe,
    heading,
)
from benchmarks.peers.job import ATTRIBUTES, PAGE, Job
from benchmarks.peers.layout2013 import Manager
from benchmarks.peers.peer import Peer
from benchmarks.peers.rows import ROWS
from benchmarks.timing import Times
from tests.servers import ROOT, find

BY_METHOD = {row.method: row for row in ROWS}


class Memory(Peer):
    """A peer that keeps its objects in a dict."""

    name = "django_ormist"
    lacks = dict.fromkeys(set(BY_METHOD) - {"create", "get", "count"}, "in memory")

    def connect(self):
        self.items = {}

    def create(self, values):
        self.items[len(self.items)] = values
        return len(self.items) - 1

    def bulk(self, many):
        return [self.create(values) for values in many]

    def get(self, pk):
        return self.items.get(pk)

    def values(self, item):
        return item

    def count(self, city, kind):
        items = self.items.values()
        return sum((item["city"], item["kind"]) == (city, kind) for item in items)

    def used_bytes(self):
        return 100 * len(self.items)

    def version(self):
        return "Memory 1.0"


class Liar(Memory):
    name = "liar"

    def count(self, city, kind):
        return super().count(city, kind) + 1


def staged(peer):
    peer.connect()
    return contest.fill(peer, Job(300), 10, lambda text: None)


def run_contest(method, stage, rounds=1):
    return contest.contest(BY_METHOD[method], [stage], rounds, 0.1, lambda text: None)


# ---------------------------------------------------------------- the job


def test_the_job_is_always_the_same_and_its_scores_are_unique():
    first, second = Job(300), Job(300)
    assert first.stored == second.stored
    assert len({values["score"] for values in first.stored}) == 300
    for values in first.stored:
        assert {name: type(value) for name, value in values.items()} == ATTRIBUTES


def test_the_right_page_is_ordered_and_within_its_range():
    job = Job(20_000)
    city = job.stored[0]["city"]
    by_name = {values["name"]: values for values in job.stored}
    page = [by_name[name] for name in job.page(city, 2_000_000, 7_000_000)]
    scores = [values["score"] for values in page]
    assert len(page) == PAGE
    assert scores == sorted(scores, reverse=True)
    assert {values["city"] for values in page} == {city}
    in_range = [
        values["score"]
        for values in job.by_city[city]
        if 2_000_000 <= values["score"] <= 7_000_000
    ]
    assert scores == sorted(in_range)[: -PAGE - 1 : -1]


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_each_peer_has_a_method_for_a_row_or_says_why_not(peer):
    for method in BY_METHOD:
        has = getattr(peer, method) is not getattr(Peer, method) or method == "session"
        if method == "session":
            has = "session" not in peer.lacks
        assert has != (method in peer.lacks), method


def test_the_peers_are_those_that_the_manual_names():
    names = [peer.name for peer in PEERS]
    assert names == [
        *("django_ormist", "bare redis-py", "ormist (2013)", "walrus", "redis-om"),
        *("rom", "django-redis", "Django, SQLite", "Django, PostgreSQL"),
    ]


# ---------------------------------------------------------------- turns


def test_a_contest_times_the_peers_that_can_do_a_row():
    stage, bytes_each = staged(Memory())
    assert bytes_each == 100
    (times,) = run_contest("get", stage, rounds=2)
    assert times.name == "django_ormist"
    assert len(times.rounds_us) == len(times.cpu_us) == 2
    assert run_contest("page", stage) == []


def test_a_wrong_answer_ends_the_contest_and_names_row_and_peer():
    stage, _ = staged(Liar())
    with pytest.raises(
        AssertionError, match="count of two equalities, liar: the answer"
    ):
        run_contest("count", stage)


def test_an_object_that_is_stored_otherwise_ends_the_contest():
    stage, _ = staged(Memory())
    stage.peer.create = lambda values: Memory.create(stage.peer, values | {"score": 1})
    with pytest.raises(AssertionError, match="create, django_ormist: .* is stored"):
        run_contest("create", stage)


def test_a_run_says_what_it_measured_and_where():
    around = describe([Memory()], QUICK, is_quick=True)
    assert around["server"] == "Memory 1.0"
    assert around["servers"] == {"django_ormist": "Memory 1.0"}
    assert (around["objects"], around["rounds"]) == (5_000, 3)
    assert around["packages"]["django-redis"]
    assert "5,000 objects, 3 rounds\nMemory 1.0, python 3" in heading(around)


# ---------------------------------------------------------------- the report


@pytest.fixture
def figures():
    ours = Times("django_ormist", [100.0, 200.0, 300.0])
    fast, slow = Times("fast", [50.0, 100.0, 150.0]), Times("slow", [2e6, 4e6, 6e6])
    found = [
        *report.timed("get", [ours, fast, slow]),
        *report.counted("import", "ms", {"django_ormist": 10, "fast": 10, "slow": 5}),
        *report.counted("lines", "", {"django_ormist": 9, "fast": 3}, False),
        report.lacking("facets", "slow", "no facets"),
        report.lacking("page", "slow", "no facets"),
    ]
    return json.loads(json.dumps([figure.as_json() for figure in found]))


def test_a_cell_has_the_time_and_its_ratio_to_ours(figures):
    names, rows = report.cells(figures)
    assert names == ["django_ormist", "fast", "slow"]
    assert rows == [
        ["get", "200 us", "100 us (0.5)", "4.0 s (20,000)"],
        ["import", "10.0 ms", "10.0 ms (1)", "5.0 ms (0.5)"],
        ["lines", "9", "3", ""],
        ["facets", "", "", "-"],
        ["page", "", "", "-"],
    ]


def test_the_report_says_where_a_peer_is_better_and_what_it_lacks(figures):
    assert report.better(figures) == {"fast": {"get": 0.5}, "slow": {"import": 0.5}}
    assert report.reasons(figures) == {"slow": {"no facets": ["facets", "page"]}}
    lines = report.table(figures).splitlines()
    assert "fast is better: get (0.5)." in lines
    assert "slow is better: import (0.5)." in lines
    assert "slow: no facets (facets, page)." in lines


def test_the_manual_has_ratios_gaps_and_versions(figures):
    text = report.manual(
        {
            "figures": figures,
            "servers": {"django_ormist": "Redis 8.2", "slow": "SQLite 3"},
            "packages": {"rom": "1.1"},
            **dict.fromkeys(("python", "django", "redis-py"), "1"),
            **{"objects": 5000, "rounds": 3, "cores": 2, "load": 0.5},
            "measured": "2026-11-29T20:00:00",
        }
    )
    assert "    * - get\n      - 200 us\n      - 0.5\n      - 20,000\n" in text
    assert "    * - page\n      -\n      -\n      - \\-\n" in text
    assert "5,000 objects, medians of 3 rounds, 2 cores, load 0.5 at the start" in text
    assert "2026-11-29 with Redis 8.2, SQLite 3, python 1, django 1" in text
    assert "* fast: get (0.5).\n" in text
    assert "* slow: no facets.\n" in text


def test_the_manual_shows_the_run_that_is_kept():
    assert MANUAL.read_text() == report.manual(json.loads(RESULTS.read_text()))


def test_other_figures_are_left_out_of_the_table(figures):
    other = figures[0] | {"name": "get"}
    assert report.cells([other]) == ([], [])
    assert report.better([other | {"details": {"to_ours": 0.1}}]) == {}


def test_code_lines_leave_out_comments_docstrings_and_blank_lines():
    source = '''
    def method(self):
        """A docstring.

        Of two paragraphs.
        """
        # a comment

        return (
            1
        )
    '''
    assert facts.code_lines(source) == 4
    assert facts.code_lines('SCRIPT = """\nreturn 1\n"""') == 3


def test_a_peer_with_more_code_of_its_own_has_more_lines():
    lines = {peer.name: facts.user_lines(peer) for peer in PEERS}
    assert lines["django-redis"] < lines["django_ormist"] < lines["bare redis-py"]
    assert lines["Django, SQLite"] > 40  # with models() and what DjangoSql has


# ---------------------------------------------------------------- ormist of 2013


@pytest.fixture
def devices():
    client = fakeredis.FakeRedis()
    return Manager(client, "device", exclude_attrs=("note",))


def test_the_layout_of_2013_has_its_keys(devices):
    item = devices.create(city="Oslo", note="x")
    keys = {key.decode() for key in devices.client.keys("*")}
    assert keys == {
        "ormist:device:__all__",
        f"ormist:device:object:{item.id}",
        f"ormist:device:object:{item.id}:tags",
        "ormist:device:tags:city:Oslo",
    }
    found = devices.find(city="Oslo")
    assert [each.attrs for each in found] == [{"city": "Oslo", "note": "x"}]
    assert found.count() == 1


def test_a_save_in_the_layout_of_2013_moves_its_tags(devices):
    item = devices.create(city="Oslo")
    item.attrs["city"] = "Bergen"
    devices.save(item)
    assert devices.find(city="Oslo").list() == []
    assert [each.id for each in devices.find(city="Bergen")] == [item.id]


def test_a_deletion_in_the_layout_of_2013_leaves_nothing(devices):
    devices.delete(devices.create(city="Oslo", expire=60))
    assert devices.client.keys("*") == []


def test_an_expired_object_of_2013_is_absent_and_stays_in_its_tags(
    devices, monkeypatch
):
    item = devices.create(city="Oslo", expire=-1)
    devices.create(city="Oslo", expire=60)
    assert devices.get(item.id) is None
    assert devices.find(city="Oslo").count() == 1
    monkeypatch.setattr("benchmarks.peers.layout2013.SWEEPS", 1)
    assert devices.get(item.id) is None
    assert not devices.client.exists(f"ormist:device:object:{item.id}")
    assert devices.client.sismember("ormist:device:tags:city:Oslo", item.id)


# ---------------------------------------------------------------- whole runs


def run(tmp_path, *only):
    file = tmp_path / "peers.json"
    options = ("--quick", "--total", "300", "--rounds", "1", "--json", str(file))
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "benchmarks.peers",
            *options,
            "--only",
            *only,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, report.load(file)


def check(printed, figures, *names):
    found, rows = report.cells(figures)
    assert found == ["django_ormist", *names]
    titles = {line[0] for line in rows}
    assert {row.title for row in ROWS} <= titles
    assert all(cell for _, cell, *_ in rows if cell), "ours has every row"
    assert "import" in titles
    assert printed.count("\n") > len(ROWS)


needs_server = pytest.mark.skipif(
    not (find("redis82") or find("valkey91")), reason="Neither redis82 nor valkey91."
)


@needs_server
@pytest.mark.slow
def test_a_quick_run_of_the_peers_that_need_no_more_than_the_tests(tmp_path):
    names = ("bare redis-py", "ormist (2013)", "django-redis", "Django, SQLite")
    check(*run(tmp_path, *names), *names)


@needs_server
@pytest.mark.slow
def test_a_quick_run_of_the_other_peers(tmp_path):
    others = [peer for peer in PEERS if peer.packages and peer.name != "django-redis"]
    if missing := [reason for peer in others if (reason := peer.missing())]:
        pytest.skip(f"{'; '.join(missing)}: `make bench-peers` installs the packages.")
    names = [peer.name for peer in others]
    check(*run(tmp_path, *names), *names)
