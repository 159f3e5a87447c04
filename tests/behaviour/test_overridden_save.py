"""Every method that stores one object calls the model's own save()."""

import asyncio
import threading
from contextlib import nullcontext, suppress

import pytest

import django_ormist as ormist
from django_ormist.keys import all_key
from tests.models import Todo


class Called(ormist.TaggedAttrsModel):
    """A model that overrides both, records the calls, and changes attributes."""

    class Meta:
        unique = ["email"]
        counters = ["hits"]

    calls = []

    def save(self, *args, **kwargs):
        self.calls.append(("save", args, kwargs))
        self._prepare(kwargs)
        super().save(*args, **kwargs)

    async def asave(self, *args, **kwargs):
        self.calls.append(("asave", args, kwargs))
        self._prepare(kwargs)
        await super().asave(*args, **kwargs)

    def _prepare(self, kwargs):
        self.attrs["slug"] = str(self.attrs.get("name")).lower()
        if kwargs.get("update_fields"):
            kwargs["update_fields"] = {*kwargs["update_fields"], "slug"}


class Named(ormist.TaggedAttrsModel):
    """A model that overrides both with exactly the arguments of Django's."""

    def save(
        self, force_insert=False, force_update=False, using=None, update_fields=None
    ):
        self.attrs["seen"] = True
        super().save(
            force_insert=force_insert,
            force_update=force_update,
            using=using,
            update_fields=update_fields,
        )

    async def asave(
        self, force_insert=False, force_update=False, using=None, update_fields=None
    ):
        self.attrs["seen"] = True
        await super().asave(
            force_insert=force_insert,
            force_update=force_update,
            using=using,
            update_fields=update_fields,
        )


class Hooked(ormist.TaggedAttrsModel):
    """A model whose save() and asave() do what the test says."""

    class Meta:
        unique = ["email"]

    before = after = None

    def save(self, **options):
        if Hooked.before:
            Hooked.before(self)
        super().save(**options)
        if Hooked.after:
            Hooked.after(self)

    async def asave(self, **options):
        if Hooked.before:
            Hooked.before(self)
        await super().asave(**options)
        if Hooked.after:
            Hooked.after(self)


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(Called, "calls", [])
    monkeypatch.setattr(Hooked, "before", None)
    monkeypatch.setattr(Hooked, "after", None)


@pytest.fixture
def hook(monkeypatch):
    """Sets what Hooked.save() does before or after the write: ``hook(before=f)``."""

    def set_hooks(**hooks):
        for name, function in hooks.items():
            monkeypatch.setattr(Hooked, name, staticmethod(function))

    return set_hooks


def _called(method, *args, **kwargs):
    return method(*args, **kwargs)


def test_it_is_called_as_django_calls_it(ask, server, db, monkeypatch):
    from django.contrib.auth.models import Group

    djangos, save = [], Group.save

    def noted(self, *args, **kwargs):
        djangos.append((args, kwargs))
        save(self, *args, **kwargs)

    monkeypatch.setattr(Group, "save", noted)
    monkeypatch.setattr(Called, "_prepare", lambda self, kwargs: None)
    for groups, call in ((Group.objects, _called), (Called.objects, ask)):
        call(groups.create, name="a")
        call(groups.get_or_create, name="a")
        call(groups.get_or_create, name="b")
        call(groups.update_or_create, {"name": "c"}, name="b")
        call(groups.update_or_create, {"name": "e"}, {"name": "d"}, name="d")
        call(groups.update_or_create, name="d")
    assert [(args, kwargs) for _, args, kwargs in Called.calls] == djangos
    assert len(djangos) == 5
    assert {name for name, *_ in Called.calls} == {"asave" if ask.is_async else "save"}


def test_attributes_that_save_sets_are_stored(ask, is_sound):
    made, is_new = ask(Called.objects.get_or_create, {"hits": 3}, "tag", name="Bob")
    assert (is_new, made.slug, made.hits) == (True, "bob", 3)
    found, is_new = ask(Called.objects.update_or_create, {"name": "Eve"}, name="Bob")
    assert (is_new, found.slug) == (False, "eve")
    stored = ask(Called.objects.get, made.id)
    assert (stored.attrs, stored.hits) == ({"name": "Eve", "slug": "eve"}, 3)
    assert ask(Called.objects.get_or_create, name="Eve") == (stored, False)
    assert is_sound()


def test_the_arguments_of_djangos_save_are_enough(ask, is_sound):
    made, is_new = ask(Named.objects.get_or_create, name="x")
    assert (is_new, made.seen) == (True, True)
    found, is_new = ask(Named.objects.update_or_create, {"n": 1}, pk=made.id)
    assert (found, is_new) == (made, False)
    assert ask(Named.objects.get, made.id).n == 1
    assert is_sound()


def test_defaults_that_are_not_attributes_are_saved_too(ask, is_sound, monkeypatch):
    """As in Django, where a default may be set by a property."""
    ask(Called.objects.create, name="x")
    Called.calls.clear()
    ask(Called.objects.update_or_create, {"expire": 60, "tags": ["t"], "hits": 2}, name="x")  # fmt: skip  # noqa: E501
    ((_, _, kwargs),) = Called.calls
    assert kwargs["update_fields"] == {"expire", "tags", "hits", "slug"}
    found = ask(Called.objects.get, name="x")
    assert (found.hits, found.ttl() > 50, "t" in found.tags) == (2, True, True)
    assert is_sound()


def test_without_defaults_nothing_is_written(ask, server):
    made = ask(Called.objects.create, name="x")
    found, is_new = ask(Called.objects.update_or_create, name="x")
    assert (found, is_new) == (made, False)
    assert Called.calls[-1][2] == {"using": "default", "update_fields": set()}


def test_save_may_write_twice(ask, hook, is_sound):
    def again(self):
        if not self.attrs.get("url"):
            self.url = f"/{self.id}/"
            ormist.TaggedAttrsModel.save(self)

    hook(after=again)
    made, is_new = ask(Hooked.objects.get_or_create, name="x")
    assert is_new
    assert ask(Hooked.objects.get, made.id).url == f"/{made.id}/"
    found, _ = ask(Hooked.objects.update_or_create, {"name": "y", "url": ""}, name="x")
    assert ask(Hooked.objects.get, made.id).attrs == found.attrs
    assert found.url == f"/{made.id}/"
    assert is_sound()


def test_save_may_save_other_objects(ask, hook, is_sound):
    def count(self):
        Todo.objects.get_or_create(id=f"todo-{self.name}")
        ormist.TaggedAttrsModel.save(Hooked(id="log", name=f"log of {self.name}"))

    hook(before=count)
    made, is_new = ask(Hooked.objects.get_or_create, name="x")
    assert is_new
    assert ask(Hooked.objects.get_or_create, name="x") == (made, False)
    assert ask(Todo.objects.ids) == ["todo-x"]
    assert ask(Hooked.objects.ids) == ["log", made.id]
    assert is_sound()


def test_save_may_store_the_match_under_another_id(ask, hook, is_sound):
    def elsewhere(self):
        ormist.TaggedAttrsModel.save(Hooked(id="other", name=self.name))

    hook(before=elsewhere)
    found, is_new = ask(Hooked.objects.get_or_create, name="x")
    assert (found.id, is_new) == ("other", False)
    assert ask(Hooked.objects.ids) == ["other"]


def test_a_save_that_raises_stores_nothing(ask, hook, server):
    def fail(self):
        raise ValueError("no")

    hook(before=fail)
    for method in (Hooked.objects.get_or_create, Hooked.objects.update_or_create):
        with pytest.raises(ValueError, match="no"):
            ask(method, name="x")
    assert server.keys() == []


def test_an_error_after_the_write_is_raised(ask, hook, is_sound):
    """Also an IntegrityError: the new object is not taken for a found one."""

    def fail(self):
        raise ormist.IntegrityError("after")

    hook(after=fail)
    with pytest.raises(ormist.IntegrityError, match="after"):
        ask(Hooked.objects.get_or_create, name="x")
    assert ask(Hooked.objects.count) == 1
    with pytest.raises(ormist.IntegrityError, match="after"):
        ask(Hooked.objects.update_or_create, {"n": 1}, name="x")
    assert ask(Hooked.objects.get, name="x").n == 1


def test_a_value_that_save_changes_is_the_one_that_is_kept_unique(ask, hook, is_sound):
    def lower(self):
        self.email = self.email.lower()

    hook(before=lower)
    made, is_new = ask(Hooked.objects.get_or_create, email="A@X")
    assert (is_new, made.email) == (True, "a@x")
    with pytest.raises(ormist.IntegrityError, match="email='a@x' is taken"):
        ask(Hooked.objects.get_or_create, email="A@X")
    assert ask(Hooked.objects.get_or_create, email="a@x") == (made, False)
    assert is_sound()


def test_a_save_that_does_not_write_stores_nothing(ask, server, monkeypatch):
    monkeypatch.setattr(Named, "save", lambda self, **options: None)

    async def nothing(self, **options):
        return None

    monkeypatch.setattr(Named, "asave", nothing)
    made, is_new = ask(Named.objects.get_or_create, name="x")
    assert (is_new, made._state.adding) == (True, True)
    assert server.keys() == []


@pytest.mark.one_node("writes two models in one block")
def test_save_may_use_atomic(ask, monkeypatch, is_sound):
    def save(self, **options):
        with ormist.atomic():
            Todo(id=f"of-{self.name}").save()
            super(Named, self).save(**options)

    async def asave(self, **options):
        async with ormist.atomic():
            await Todo(id=f"of-{self.name}").asave()
            await super(Named, self).asave(**options)

    monkeypatch.setattr(Named, "save", save)
    monkeypatch.setattr(Named, "asave", asave)
    made, is_new = ask(Named.objects.get_or_create, name="x")
    assert is_new
    assert ask(Named.objects.get_or_create, name="x") == (made, False)
    found, is_new = ask(Named.objects.update_or_create, {"name": "y"}, name="x")
    assert (found, is_new) == (made, False)
    assert ask(Named.objects.get, made.id).name == "y"
    assert ask(Todo.objects.ids) == ["of-x", "of-y"]
    assert is_sound()


@pytest.mark.parametrize("lookups", [{"name": "x"}, {"email": "e"}, {"id": "i"}])
@pytest.mark.parametrize("in_block", [False, True])
def test_an_object_created_while_save_ran_is_found(
    ask, hook, is_sound, lookups, in_block
):
    """Between the query and the write."""

    def race(self):
        if not Hooked.objects.filter(**lookups).exists():
            with ormist.atomic() if in_block else nullcontext():
                other = Hooked(**{"id": "theirs", **lookups})
                ormist.TaggedAttrsModel.save(other)

    hook(before=race)
    found, is_new = ask(Hooked.objects.get_or_create, {"n": 1}, **lookups)
    assert (found.id, is_new) == (lookups.get("id", "theirs"), False)
    assert ask(Hooked.objects.count) == 1
    assert is_sound()


def test_an_object_that_stops_matching_while_save_runs_is_queried_again(
    ask, hook, server
):
    ask(Hooked.objects.create, id="one", name="x")
    seen = []

    def race(self):
        seen.append(self.id)
        if len(seen) == 1:
            other = Hooked.objects.get("one")
            other.name = "y"
            ormist.TaggedAttrsModel.save(other)

    hook(before=race)
    found, is_new = ask(Hooked.objects.update_or_create, {"n": 1}, name="x")
    assert is_new
    assert found.id != "one"
    assert ask(Hooked.objects.get, "one").attrs == {"name": "y"}


def test_an_error_that_save_swallows_is_not_a_success(ask, monkeypatch, is_sound):
    """It catches the error by which get_or_create() learns of a faster client."""

    def save(self, **options):
        if not Named.objects.filter(name="x").exists():
            ormist.TaggedAttrsModel.save(Named(id="theirs", name="x"))
        with suppress(ormist.IntegrityError):
            super(Named, self).save(**options)

    async def asave(self, **options):
        if not await Named.objects.filter(name="x").aexists():
            await ormist.TaggedAttrsModel.asave(Named(id="theirs", name="x"))
        with suppress(ormist.IntegrityError):
            await super(Named, self).asave(**options)

    monkeypatch.setattr(Named, "save", save)
    monkeypatch.setattr(Named, "asave", asave)
    found, is_new = ask(Named.objects.get_or_create, name="x")
    assert (found.id, is_new) == ("theirs", False)


def test_one_of_many_racing_calls_creates_the_object(ask, is_sound, server):
    def race(index):
        return Called.objects.get_or_create({"n": index}, name="x")

    if ask.is_async:

        async def all_of_them():
            methods = (
                Called.objects.aget_or_create({"n": i}, name="x") for i in range(20)
            )
            return await asyncio.gather(*methods)

        answers = ask.wait(all_of_them())
    else:
        answers, start = [], threading.Barrier(8)

        def work(index):
            start.wait()
            answers.append(race(index))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert sum(is_new for _, is_new in answers) == 1
    assert len({found.id for found, _ in answers}) == 1
    assert server.client.zcard(all_key(Called._meta.space("default"))) == 1
    assert is_sound()


def test_an_overridden_save_takes_no_more_round_trips(ask, round_trips):
    with round_trips() as seen:
        ask(Called.objects.get_or_create, name="x")
    assert seen.count == 2
    with round_trips() as seen:
        ask(Called.objects.update_or_create, {"n": 1}, name="x")
    assert seen.count == 2


def test_saving_fields_of_a_loaded_object_takes_one_round_trip(ask, round_trips):
    made = ask(Called.objects.create, name="x")
    made.n = 1
    with round_trips() as seen:
        ask(made.save, update_fields=["n"])
    assert seen.count == 1
    ask(Called.objects.filter(name="x").update, m=2)
    made.n = 2
    with round_trips() as seen:
        ask(made.save, update_fields=["n"])
    assert seen.count == 2
    assert ask(Called.objects.get, made.id).attrs == {
        "name": "x",
        "slug": "x",
        "n": 2,
        "m": 2,
    }


def test_bulk_methods_do_not_call_it(ask, server):
    made = ask(Called.objects.bulk_create, [Called(name="x")])
    ask(Called.objects.bulk_save, made)
    ask(Called.objects.bulk_update, made, ["name"])
    ask(Called.objects.filter(name="x").update, n=1)
    assert Called.calls == []


@pytest.mark.parametrize("method", ["save", "asave"])
@pytest.mark.parametrize("given", [(False,), (False, False, "other"), (True,)])
def test_the_options_of_save_are_keyword_only(ask, server, method, given):
    """As in Django 6.1."""
    todo = Todo()
    with pytest.raises(TypeError, match="positional argument"):
        getattr(todo, method)(*given)
    assert server.keys() == []
