"""CursorPagination: each object on exactly one page, whatever others write."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import hypothesis
import pytest
from hypothesis import strategies as st
from rest_framework import viewsets
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

import django_ormist as ormist
from django_ormist.rest_framework import (
    CursorPagination,
    LookupFilter,
    ModelSerializer,
    OrderingFilter,
)
from django_ormist.testing import assert_round_trips

pytestmark = pytest.mark.servers("valkey91")
FACTORY = APIRequestFactory()
MOST_PAGES = 50


class Ranked(ormist.Model):
    rank: int | None = None
    name: str = ""

    class Meta:
        index_attrs = ["name"]
        ordered = ["rank", "name"]


class RankedSerializer(ModelSerializer):
    class Meta:
        model = Ranked
        fields = ("id", "rank", "name")


def pager(ordering="rank", size=2, **options):
    attributes = {"ordering": ordering, "page_size": size, **options}
    return type("Pager", (CursorPagination,), attributes)()


def turn(link=None, ordering="rank", size=2, collection=None):
    """Return the ids of a page, and the links of the next and of the previous one."""
    pages = pager(ordering, size)
    collection = Ranked.objects.all() if collection is None else collection
    request = Request(FACTORY.get(link or "/"))
    page = pages.paginate_queryset(collection, request)
    return [each.pk for each in page], pages.get_next_link(), pages.get_previous_link()


def read_all(ordering="rank", size=2, collection=None):
    """Return the ids of all pages, forward, and then backward from the last one."""
    forward, link, pages = [], None, []
    for _ in range(MOST_PAGES):
        ids, following, previous = turn(link, ordering, size, collection)
        forward += ids
        pages.append(ids)
        if following is None:
            break
        link = following
    backward = ids
    for _ in range(MOST_PAGES):
        if previous is None:
            break
        ids, _, previous = turn(previous, ordering, size, collection)
        backward = ids + backward
    assert all(len(each) == size for each in pages[:-1])
    return forward, backward


ORDERINGS = [
    *("rank", "-rank", "created", "-created", "expire", "-expire"),
    *(("rank", "-name"), ("-name", "rank", "-created"), ("name", "expire")),
]


@pytest.mark.parametrize("ordering", ORDERINGS)
def test_pages_give_every_object_once_in_both_directions(alias, ordering):
    Ranked.objects.bulk_create(
        Ranked(
            id=f"r{number:02}",
            rank=None if number % 5 == 0 else number % 3,
            name="ab"[number % 2],
            expire=None if number % 4 == 0 else 1000 + 10 * (number % 3),
        )
        for number in range(23)
    )
    names = (ordering,) if isinstance(ordering, str) else ordering
    expected = Ranked.objects.order_by(*names).ids()
    assert len(expected) == 23
    for size in (1, 3, 30):
        assert read_all(ordering, size) == (expected, expected)
    some = Ranked.objects.find(name="a")
    expected = some.order_by(*names).ids()
    assert read_all(ordering, 4, some) == (expected, expected)


def test_counters_and_a_manager_are_paged(alias):
    Ranked.objects.bulk_create(Ranked(id=f"r{number}") for number in range(3))
    assert turn(collection=Ranked.objects)[0] == ["r0", "r1"]


def test_equal_values_are_not_skipped_when_others_are_inserted(alias):
    """REST framework's own cursor counts equal values, and would repeat or skip one."""
    Ranked.objects.bulk_create(Ranked(id=f"r{number}", rank=1) for number in range(6))
    ids, following, _ = turn(size=4)
    assert ids == ["r0", "r1", "r2", "r3"]
    Ranked.objects.get("r1").delete()
    Ranked.objects.get("r3").delete()  # the last one of the page
    Ranked.objects.create(id="new", rank=1)
    ids, _, previous = turn(following, size=4)
    assert ids == ["r4", "r5", "new"]
    Ranked.objects.get("r4").delete()
    assert turn(previous, size=4)[0] == ["r0", "r2"]


class Writer:
    """A writer of objects between two pages."""

    def __init__(self):
        self.number = 0

    def write(self, action, rank):
        self.number += 1
        if action == "insert":
            Ranked.objects.create(id=f"x{self.number}", rank=rank)
        elif action == "delete":
            Ranked.objects.filter(id__in=Ranked.objects.ids()[:1]).delete()
        else:
            pk = next(iter(Ranked.objects.ids()), None)
            Ranked.objects.filter(pk=pk).update(name=str(rank))


WRITES = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "change"]),
        st.sampled_from([None, 0, 1, 2]),
    ),
    max_size=3,
)


@pytest.mark.slow
@hypothesis.settings(max_examples=60)
@hypothesis.given(
    ranks=st.lists(st.sampled_from([None, 0, 1, 2]), max_size=12),
    steps=st.lists(WRITES, min_size=1, max_size=4),
    ordering=st.sampled_from(["rank", "-rank", "created", "-created"]),
    size=st.integers(1, 4),
    is_backward=st.booleans(),
)
def test_an_object_that_stays_is_on_exactly_one_page(
    alias, ranks, steps, ordering, size, is_backward
):
    Ranked.objects.all().delete()
    Ranked.objects.bulk_create(
        Ranked(id=f"r{number}", rank=rank) for number, rank in enumerate(ranks)
    )
    writer, seen, waiting = Writer(), [], list(steps)
    link = None
    if is_backward:  # begin at the last page
        for _ in range(MOST_PAGES):
            ids, following, previous = turn(link, ordering, size)
            if following is None:
                break
            link = following
        seen, link = list(ids), previous
    for _ in range(MOST_PAGES):
        if is_backward and link is None:
            break
        ids, following, previous = turn(link, ordering, size)
        seen = ids + seen if is_backward else seen + ids
        link = previous if is_backward else following
        if link is None:
            break
        for action, rank in waiting.pop() if waiting else ():
            writer.write(action, rank)
    else:
        raise AssertionError("The pages do not end.")
    assert len(seen) == len(set(seen))
    stayed = [pk for pk in Ranked.objects.order_by(ordering).ids() if pk[0] == "r"]
    assert [pk for pk in seen if pk in stayed] == stayed


def test_a_page_that_is_gone_is_between_its_neighbours(alias, monkeypatch):
    Ranked.objects.bulk_create(Ranked(id=f"r{n}", rank=n) for n in range(7))
    _, second, _ = turn(size=2)
    third = turn(second)[1]
    from django_ormist.rest_framework import pagination

    def gone(collection, names, page):
        return []  # as if all of them were deleted after they were read

    with monkeypatch.context() as patched:
        patched.setattr(pagination, "_positions", gone)
        ids, following, previous = turn(third)
    assert ids == ["r4", "r5"]
    assert turn(following)[0] == ["r4", "r5"]
    assert turn(previous)[0] == ["r2", "r3"]
    back = turn(third)[2]
    with monkeypatch.context() as patched:
        patched.setattr(pagination, "_positions", gone)
        ids, following, previous = turn(back)
    assert ids == ["r2", "r3"]
    assert turn(following)[0] == ["r4", "r5"]
    assert turn(previous)[0] == ["r2", "r3"]


def test_empty_pages_lead_back(alias):
    Ranked.objects.bulk_create(Ranked(id=f"r{n}", rank=n) for n in range(4))
    _, following, _ = turn()
    Ranked.objects.filter(id__in=["r2", "r3"]).delete()
    ids, after, before = turn(following)
    assert (ids, after) == ([], None)
    assert turn(before)[0] == ["r0", "r1"]
    _, _, previous = turn(following)
    Ranked.objects.all().delete()
    ids, after, before = turn(previous)
    assert (ids, before) == ([], None)
    Ranked.objects.create(id="r9", rank=9)
    assert turn(after)[0] == ["r9"]


def test_round_trips(alias):
    Ranked.objects.bulk_create(
        Ranked(id=f"r{n}", rank=None if n > 5 else n) for n in range(9)
    )
    with assert_round_trips(2):  # the page, and the times of its creation
        _, link, _ = turn()
    with assert_round_trips(2):
        _, link, _ = turn(link)
    with assert_round_trips(3):  # the page on which those without a rank begin
        ids, link, _ = turn(link, size=3)
    assert ids == ["r4", "r5", "r6"]
    with assert_round_trips(1):  # no other page
        turn(size=20)


def test_a_page_is_read_from_its_position_on(alias):
    Ranked.objects.bulk_create(Ranked(rank=n // 4) for n in range(2000))
    collection = Ranked.objects.order_by("rank")
    from django_ormist.queries.seeking import Position, seek
    from django_ormist.sortkeys import sort_key

    at = collection[1000]
    created = round((at.created - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    query = seek(collection.query, Position((sort_key(at.rank),), created * 10**6))[0]
    part = ormist.Collection(Ranked, query)[:20]
    assert len(part) == 20
    examined = part.explain()
    assert "rank" in examined
    numbers = [
        int(word) for word in examined.replace(",", " ").split() if word.isdigit()
    ]
    assert numbers[-1] <= 100, examined


# Cursors


def cursor_of(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return f"/?cursor={urlsafe_b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    "link",
    [
        "/?cursor=x",
        "/?cursor=é",
        "/?cursor=",
        cursor_of("x"),
        cursor_of("[" * 100_000),
        cursor_of([["rank"]]),
        cursor_of([["name"], None, 0]),
        cursor_of([["rank"], ["zz", 5], 0]),
        cursor_of([["rank"], [5, 5], 0]),
        cursor_of([["rank"], ["21"], 0]),
        cursor_of([["rank"], ["21", -1], 0]),
        cursor_of([["rank"], ["21", 2**53], 0]),
        cursor_of([["rank"], ["21", 1.5], 0]),
        cursor_of([["rank"], ["21", True], 0]),
        cursor_of([["rank"], 5, 0]),
    ],
)
def test_a_wrong_cursor_is_not_found(link):
    with pytest.raises(NotFound, match="Invalid cursor"):
        turn(link)


@pytest.mark.parametrize("fact", ["", "00", "ff", "ff" * 50, "50" + "00" * 20, None])
@pytest.mark.parametrize("is_backward", [0, 1, "x"])
def test_a_cursor_of_any_bytes_is_a_position(alias, fact, is_backward):
    Ranked.objects.bulk_create(Ranked(id=f"r{n}", rank=n) for n in range(3))
    for created_us in (0, 2**53 - 1):
        position = [fact, created_us]
        ids, _, _ = turn(cursor_of([["rank"], position, is_backward]))
        assert set(ids) <= {"r0", "r1", "r2"}


def test_a_random_order_and_lists_are_refused(alias):
    with pytest.raises(ValueError, match="random order"):
        turn(ordering="?")
    with pytest.raises(TypeError, match=r"rest_framework\.pagination"):
        turn(collection=[1])


# Views


class RankedView(viewsets.ReadOnlyModelViewSet):
    queryset = Ranked.objects.all()
    serializer_class = RankedSerializer
    pagination_class = type(pager(size=2, page_size_query_param="size"))
    filter_backends = (LookupFilter, OrderingFilter)
    filterset_fields = ("name",)
    authentication_classes = ()


def test_a_view_pages_filtered_and_ordered_lists(alias):
    Ranked.objects.bulk_create(
        Ranked(id=f"r{n}", rank=n // 2, name="ab"[n % 2]) for n in range(8)
    )
    view = RankedView.as_view({"get": "list"})
    link, found = "/?name=a&ordering=-rank&size=3", []
    for _ in range(2):
        data = view(FACTORY.get(link)).data
        found.append([each["id"] for each in data["results"]])
        link = data["next"]
    assert found == [["r6", "r4", "r2"], ["r0"]]
    assert data["previous"]
    assert view(FACTORY.get("/?ordering=name&cursor=x")).status_code == 404


def test_without_a_page_size_the_list_is_whole(alias):
    pages = pager(size=None)
    assert pages.paginate_queryset(Ranked.objects.all(), Request(FACTORY.get("/"))) is (
        None
    )


def test_the_controls_of_the_browsable_api_are_shown(alias):
    Ranked.objects.bulk_create(Ranked(rank=n) for n in range(3))
    pages = pager()
    pages.paginate_queryset(Ranked.objects.all(), Request(FACTORY.get("/")))
    assert pages.display_page_controls
    assert pages.get_html_context()["next_url"] == pages.get_next_link()
