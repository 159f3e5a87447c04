"""The number of index entries that one script writes."""

from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from django_ormist.codecs import pack
from django_ormist.flows import bulk_create, bulk_upsert, delete
from django_ormist.flows.bulk_upsert import OnConflict
from django_ormist.operations.batches import (
    DELETE_MANY,
    DELETED,
    INSERT_MANY,
    INSERTED,
    batched_by_entries,
)
from django_ormist.operations.objects import Image
from django_ormist.operations.search import BEGINNING
from tests.models import City, Todo, User

TAGS = [f"tag{number}" for number in range(30)]


def images(*entries):
    """Return images with these numbers of index entries."""
    return [Image(b"", tuple(b"t:%d" % n for n in range(number))) for number in entries]


def entries_of(image):
    return image.entries


def sizes(*entries, limit=DELETED):
    """Return how many objects with these numbers of entries share each step."""
    steps = batched_by_entries(images(*entries), entries_of, limit)
    return [len(some) for some in steps]


def first_step(flow):
    """Return the first operations of a flow."""
    return flow.send(None)


def inserted(step):
    """Return the number of objects of each insertion of one round trip."""
    assert {operation.command for operation in step} == {INSERT_MANY}
    return [len(operation.objects) for operation in step]


def test_a_step_has_some_hundred_objects_with_few_entries():
    assert sizes(*[4] * 250) == [100, 100, 50]
    assert sizes(*[3] * 450, limit=INSERTED) == [200, 200, 50]


def test_a_step_has_fewer_objects_with_many_entries():
    assert sizes(*[30] * 40) == [16, 16, 8]
    assert 16 * 30 <= DELETED.entries < 17 * 30
    assert sizes(*[30] * 60, limit=INSERTED) == [23, 23, 14]
    assert 23 * 30 <= INSERTED.entries < 24 * 30


def test_an_object_with_too_many_entries_is_alone():
    assert sizes(1, 900, 1, 1) == [1, 1, 2]


def test_ordered_and_unique_entries_count_twice():
    one = Image(b"", (b"t:a",), None, {"age": b"1"}, {("email",): b"a"})
    assert one.entries == 5


@pytest.mark.parametrize(
    "create",
    [
        lambda objs: bulk_create.create(Todo.objects.all(), objs, None),
        lambda objs: bulk_upsert.create(Todo.objects.all(), objs, None, OnConflict()),
    ],
    ids=["plain", "ignore_conflicts"],
)
def test_bulk_create_inserts_ten_thousand_objects_in_steps_of_one_round_trip(create):
    step = first_step(create([Todo(*TAGS) for _ in range(10_100)]))
    assert set(inserted(step)) == {23}
    assert sum(inserted(step)) == 10_005


def test_a_chosen_batch_size_is_one_step_whatever_the_entries():
    objs = [Todo(*TAGS) for _ in range(60)]
    step = first_step(bulk_create.create(Todo.objects.all(), objs, 50))
    assert inserted(step) == [50, 10]


def test_an_object_that_is_changed_while_it_waits_is_written_as_it_was_checked():
    user = User("old", name="Ann", bio="old")
    (insertion,) = first_step(bulk_create.create(User.objects.all(), [user], None))
    user.own_tags, user.name, user.bio = ["new"], "Dan", "new"
    words = insertion.wire_args()
    base = User._meta.space("default").base
    terms = {word for word in words if str(word).startswith(str(base + b"t:")[:-1])}
    assert terms == {base + b"t:old", base + b"t:name:Ann"}
    assert pack({"name": "Ann", "bio": "old"}, ["old"]) in words


class Changing(tzinfo):
    """A time zone that changes an object when it is asked, as another thread may."""

    def __init__(self, user):
        self.user = user

    def utcoffset(self, when):
        self.user.own_tags, self.user.name = ["new"], "Dan"
        return timedelta(hours=1)


def test_the_index_entries_of_an_object_are_those_of_its_bytes():
    user = User("old", name="Ann")
    other = User(at=datetime(2026, 1, 1, tzinfo=Changing(user)))
    flow = bulk_create.create(User.objects.all(), [user, other], None)
    words = first_step(flow)[0].wire_args()
    base = User._meta.space("default").base
    assert {base + b"t:old", base + b"t:name:Ann"} <= {*words}
    assert base + b"t:new" not in words
    assert pack({"name": "Ann"}, ["old"]) in words


@pytest.mark.parametrize(
    "wrong", [{"first__name": "Ann"}, {"name": object()}, {"name": "\ud800"}]
)
def test_bulk_create_checks_all_objects_before_it_sends_the_first(wrong):
    users = [User(name="Ann") for _ in range(200)]
    users.insert(150, User(id="u", **wrong))
    flow = bulk_create.create(User.objects.all(), users, None)
    with pytest.raises((TypeError, ValueError), match="Cannot (store|index)") as raised:
        first_step(flow)
    assert raised.value.__notes__ == ["In 'u', number 151 of 201 objects."]


class Nowhere(tzinfo):
    """A time zone without an offset: such a time is stored, and not in any order."""

    def utcoffset(self, when):
        return None


@pytest.mark.parametrize("size", [1, 700])
def test_bulk_create_checks_index_entries_before_it_sends_the_first(size):
    cities = [City(founded=datetime(2026, 1, 1, tzinfo=UTC)) for _ in range(size)]
    cities[-1].attrs["founded"] = datetime(2026, 1, 1, tzinfo=Nowhere())
    flow = bulk_create.create(City.objects.all(), cities, None)
    with pytest.raises(TypeError, match="offset"):
        first_step(flow)


def test_bulk_create_counts_only_the_entries_that_an_object_has():
    cities = [City(id=f"c{number}", code=number) for number in range(100)]
    step = first_step(bulk_create.create(City.objects.all(), cities, None))
    assert inserted(step) == [100]


def test_a_deletion_removes_many_entries_in_several_steps():
    flow = delete.delete(Todo.objects.find("tag1"))
    first_step(flow)
    flow.send((BEGINNING, [b"id%d" % number for number in range(50)]))
    step = flow.send([[pack({}, TAGS)] * 50])
    assert {operation.command for operation in step} == {DELETE_MANY}
    assert [operation.args[0] for operation in step] == [16, 16, 16, 2]
