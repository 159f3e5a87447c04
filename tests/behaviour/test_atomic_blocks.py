"""atomic(): nested blocks, threads and tasks, signals, and refused methods."""

import asyncio
import socket
import threading
from contextlib import suppress

import pytest

import django_ormist as ormist
from django_ormist import signals
from django_ormist.flows import transaction
from tests.models import Page, Todo, User


def test_an_inner_block_joins_the_outer(server, is_sound):
    with ormist.atomic():
        User.objects.create(id="outer")
        with ormist.atomic():
            User.objects.create(id="inner")
        assert User.objects.count() == 0
    assert User.objects.ids() == ["outer", "inner"]
    assert is_sound()


def test_an_exception_discards_only_the_inner_block(server, is_sound):
    with ormist.atomic():
        User.objects.create(id="outer")
        with suppress(LookupError), ormist.atomic():
            User.objects.create(id="inner")
            raise LookupError
        User.objects.create(id="after")
    assert User.objects.ids() == ["outer", "after"]
    assert is_sound()


def test_a_durable_block_is_the_outermost(server):
    with ormist.atomic(durable=True):
        with (
            pytest.raises(RuntimeError, match="durable"),
            ormist.atomic(durable=True),
        ):
            pass
        User.objects.create(id="x")
    assert User.objects.ids() == ["x"]


def test_atomic_works_as_a_decorator(ask, server):
    @ormist.atomic
    def both(fails):
        User.objects.create(id="a")
        assert User.objects.count() == 0
        if fails:
            raise LookupError

    @ormist.atomic(using="default")
    async def aboth(fails):
        await User.objects.acreate(id="a")
        assert await User.objects.acount() == 0
        if fails:
            raise LookupError

    def call(fails):
        return ask.wait(aboth(fails)) if ask.is_async else both(fails)

    with pytest.raises(LookupError):
        call(True)
    assert ask(User.objects.count) == 0
    call(False)
    assert ask(User.objects.ids) == ["a"]


def test_each_thread_has_its_own_block(server):
    with ormist.atomic():
        User.objects.create(id="mine")
        thread = threading.Thread(target=User.objects.create, kwargs={"id": "theirs"})
        thread.start()
        thread.join()
        assert User.objects.ids() == ["theirs"]
    assert User.objects.ids() == ["theirs", "mine"]


def test_each_task_has_its_own_block(server):
    async def task(name, fails):
        async with ormist.atomic():
            await User.objects.acreate(id=f"{name}1")
            await asyncio.sleep(0)
            await User.objects.acreate(id=f"{name}2")
            if fails:
                raise LookupError

    async def work():
        await asyncio.gather(
            *(task(n, n == "b") for n in "abc"), return_exceptions=True
        )

    asyncio.run(work())
    assert sorted(User.objects.ids()) == ["a1", "a2", "c1", "c2"]


def test_only_tasks_that_start_inside_join_the_block(server):
    async def work():
        leave = asyncio.Event()

        async def later():
            await leave.wait()
            await User.objects.acreate(id="later")

        async with ormist.atomic():
            await asyncio.gather(*(User.objects.acreate(id=name) for name in "ab"))
            assert await User.objects.acount() == 0
            task = asyncio.create_task(later())
        leave.set()
        await task

    asyncio.run(work())
    assert User.objects.ids() == ["a", "b", "later"]


def test_a_block_applies_only_to_its_alias(server, settings):
    default = settings.ORMIST["default"]
    settings.ORMIST = {
        "default": default,
        "other": {**default, "KEY_PREFIX": f"{server.key_prefix}:2"},
    }
    with suppress(LookupError), ormist.atomic(using="other"):
        User.objects.create(id="default")
        User.objects.using("other").create(id="other")
        raise LookupError
    assert User.objects.ids() == ["default"]
    assert User.objects.using("other").count() == 0


# ---------------------------------------------------------------- signals, bulk, limits


@pytest.fixture
def heard():
    log = []

    def hear(name):
        def receive(sender, instance, using, created=None, **kwargs):
            log.append((name, instance.id, created))

        return receive

    receivers = {n: hear(n) for n in ("pre_save", "post_save", "pre_delete")}
    receivers["post_delete"] = hear("post_delete")
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver)
    yield log
    for name, receiver in receivers.items():
        getattr(signals, name).disconnect(receiver)


def test_signals_are_sent_after_the_commit(server, heard):
    User.objects.create(id="old")
    del heard[:]
    with ormist.atomic():
        new = User.objects.create(id="new")
        new.save()
        User(id="old").delete()
        User.objects.bulk_create([User(id="bulk")])
        assert [name for name, _, _ in heard] == ["pre_save", "pre_save", "pre_delete"]
        del heard[:]
    assert heard == [
        ("post_save", "new", True),
        ("post_save", "new", False),
        ("post_delete", "old", None),
    ]
    del heard[:]
    with pytest.raises(ormist.IntegrityError), ormist.atomic():
        User.objects.create(id="new")
    assert [name for name, _, _ in heard] == ["pre_save"]


def test_bulk_methods_join_the_block(ask, block, is_sound):
    old = ask(User.objects.create, id="old", n=0)

    def work(do):
        made = do(User.objects.bulk_create, [User(id=f"n{i}") for i in range(300)])
        old.n = 1
        assert do(User.objects.bulk_save, [old]) == 1
        return made

    made = block(work)
    assert len(made) == 300
    assert not made[0]._state.adding
    assert ask(User.objects.count) == 301
    assert ask(User.objects.get, "old").n == 1
    assert is_sound()


@pytest.mark.parametrize("method", ["increment", "delete", "set_expire"])
def test_methods_that_need_a_result_are_refused(ask, block, server, method):
    page = ask(Page.objects.create, views=1)
    methods = {
        "increment": (page.increment, "views"),
        "delete": (Page.objects.all().delete,),
        "set_expire": (Page.objects.all().set_expire, 5),
    }
    with pytest.raises(ormist.NotSupportedError, match=method):
        block(lambda do: do(*methods[method]))
    assert ask(Page.objects.get, page.id).views == 1


def test_a_block_with_too_many_objects_writes_nothing(server, monkeypatch):
    monkeypatch.setattr(transaction, "MOST_OBJECTS", 2)
    with pytest.raises(ormist.NotSupportedError, match="at most 2"), ormist.atomic():
        User.objects.bulk_create([User(), User(), User()])
    assert User.objects.count() == 0


@pytest.mark.servers("valkey91", "redis70")
def test_two_cluster_slots_are_refused_with_a_clear_message(
    server, start_server, settings
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    own = start_server(server, "--cluster-enabled", "yes", "--cluster-port", port)
    own.client().execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    while b"cluster_state:ok" not in own.client().execute_command("CLUSTER", "INFO"):
        pass
    settings.ORMIST = {"default": {"LOCATION": own.unix_url}}
    both = ormist.atomic()(lambda: (User.objects.create(), Todo.objects.create()))
    with pytest.raises(ormist.NotSupportedError, match=r"tests\.Todo, tests\.User"):
        both()
    with ormist.atomic():
        User.objects.create()
        User.objects.create()
    assert (User.objects.count(), Todo.objects.count()) == (2, 0)
