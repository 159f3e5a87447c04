"""Any sequence of writes leaves the store of a plain Python model."""

from contextlib import suppress
from datetime import UTC, datetime

import hypothesis
import pytest
from django.db.models import F
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import django_ormist as ormist
from tests.checker import raw_faults
from tests.properties.model_store import Copy, Row, Rows, Taken, Thing, without_place

pks = st.sampled_from("abcdef")
attrs = st.fixed_dictionaries(
    {},
    optional={
        "name": st.integers(0, 2),
        "rank": st.one_of(st.none(), st.integers(0, 3)),
        "code": st.one_of(st.none(), st.integers(0, 4)),
        "free": st.integers(0, 1),
    },
)
tags = st.lists(st.sampled_from(["x", "y"]), unique=True)
expires = st.sampled_from([None, datetime(2200, 1, 1, tzinfo=UTC)])
counts = st.one_of(st.none(), st.integers(0, 3))
places = st.integers(0, 7)

# Not Phase.explain: it runs for minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)


class Writes(RuleBasedStateMachine):
    """objects: the store. copies: instances, of which many are stale."""

    server = None

    def __init__(self):
        super().__init__()
        self.server.clean()
        self.store = Rows()
        self.copies = []

    def new(self, pk, attrs, tags, expire, n):
        given = {**attrs, **({} if n is None else {"n": n})}
        thing = Thing(*tags, id=pk, expire=expire, **given)
        return Copy(thing, None, n is not None)

    def keep(self, copy, row):
        """Set the copy to the stored state."""
        copy.base = without_place(row)
        copy.is_assigned = False
        self.copies = [*self.copies[-7:], copy]

    def refused(self, error=ormist.IntegrityError):
        return pytest.raises(error)

    def attempt(self, after, method, *args, **kwargs):
        """Call the method, and use *after* as the store if its values are unique."""
        try:
            after.check()
        except Taken:
            with self.refused():
                method(*args, **kwargs)
            return False
        method(*args, **kwargs)
        self.store = after
        return True

    @rule(pk=pks, attrs=attrs, tags=tags, expire=expires, n=counts)
    def create(self, pk, attrs, tags, expire, n):
        copy, after = self.new(pk, attrs, tags, expire, n), self.store.forked()
        if pk in self.store.rows:
            with self.refused():
                copy.thing.save(force_insert=True)
            return
        row = after.saved(copy)
        if self.attempt(after, copy.thing.save, force_insert=True):
            self.keep(copy, row)

    @rule(pk=pks, attrs=attrs, tags=tags, expire=expires, n=counts)
    def replace(self, pk, attrs, tags, expire, n):
        copy, after = self.new(pk, attrs, tags, expire, n), self.store.forked()
        row = after.saved(copy)
        if self.attempt(after, copy.thing.save):
            self.keep(copy, row)

    @precondition(lambda self: self.store.rows)
    @rule(place=places)
    def load(self, place):
        pk = self.store.in_order()[place % len(self.store.rows)]
        self.keep(Copy(Thing.objects.get(pk)), self.store.rows[pk])

    def changed(self, place, attrs, tags, expire, n, gone):
        """Return a copy with unsaved changes."""
        copy = self.copies[place % len(self.copies)]
        copy.thing.attrs.update(attrs)
        copy.thing.unset(*gone)
        copy.thing.tags = tags
        copy.thing.expire = expire
        if n is not None:
            copy.thing.n, copy.is_assigned = n, True
        return copy

    @precondition(lambda self: self.copies)
    @rule(
        place=places,
        attrs=attrs,
        tags=tags,
        expire=expires,
        n=counts,
        gone=st.sets(st.sampled_from(["name", "rank", "code"]), max_size=1),
        is_forced=st.booleans(),
    )
    def save(self, place, attrs, tags, expire, n, gone, is_forced):
        copy, after = self.changed(place, attrs, tags, expire, n, gone), None
        pk, after = copy.thing.id, self.store.forked()
        if is_forced and pk not in self.store.rows:
            with self.refused(Thing.NotUpdated):
                copy.thing.save(force_update=True)
            return
        row = after.saved(copy)
        if self.attempt(after, copy.thing.save, force_update=is_forced):
            self.keep(copy, row)
            assert copy.thing.attrs == row.attrs

    @precondition(lambda self: self.copies)
    @rule(place=places)
    def delete(self, place):
        copy = self.copies[place % len(self.copies)]
        there = self.store.rows.pop(copy.thing.id, None)
        assert copy.thing.delete()[0] == (there is not None)
        copy.base = None

    @precondition(lambda self: self.copies)
    @rule(place=places)
    def save_past_its_deadline(self, place):
        copy = self.copies[place % len(self.copies)]
        self.store.rows.pop(copy.thing.id, None)
        copy.thing.expire = -1
        copy.thing.save()
        copy.base = None

    @precondition(lambda self: self.store.rows)
    @rule(place=places, by=st.integers(1, 3))
    def increment(self, place, by):
        pk = self.store.in_order()[place % len(self.store.rows)]
        self.store.rows[pk].n += by
        assert Thing(id=pk).increment("n", by) == self.store.rows[pk].n

    @rule(name=st.integers(0, 2), free=st.integers(0, 1))
    def update(self, name, free):
        found = self.store.named(name)
        for row in map(self.store.rows.get, found):
            rank = row.attrs.get("rank")
            row.attrs |= {
                "name": (name + 1) % 3,
                "free": free,
                "rank": None if rank is None else rank + 1,
                "before": row.n,
            }
            row.n += 1
        number = Thing.objects.find(name=name).update(
            name=(name + 1) % 3,
            free=free,
            rank=F("rank") + 1,
            before=F("n"),
            n=F("n") + 1,
        )
        assert number == len(found)

    @rule(name=st.integers(0, 2))
    def delete_found(self, name):
        found = self.store.named(name)
        for pk in found:
            del self.store.rows[pk]
        assert Thing.objects.find(name=name).delete()[0] == len(found)

    @rule(low=st.integers(0, 4), expire=expires)
    def set_expire(self, low, expire):
        ranks = [(r.attrs.get("rank"), r) for r in self.store.rows.values()]
        found = [row for rank, row in ranks if rank is not None and rank >= low]
        for row in found:
            row.lasts = expire is None
        assert Thing.objects.filter(rank__gte=low).set_expire(expire) == len(found)

    @rule(given=st.lists(st.tuples(pks, attrs, tags, expires, counts), max_size=5))
    def bulk_create_but(self, given):
        copies = [self.new(*each) for each in given]
        stored = []
        for copy in copies:
            code, pk = copy.thing.attrs.get("code"), copy.thing.id
            if pk not in self.store.rows and self.store.holder(code) is None:
                stored.append((copy, self.store.saved(copy)))
        Thing.objects.bulk_create(
            [copy.thing for copy in copies], batch_size=3, ignore_conflicts=True
        )
        for copy, row in stored:
            self.keep(copy, row)
        missed = [c for c in copies if all(c is not each for each, _ in stored)]
        assert all(copy.thing._state.adding for copy in missed)

    @rule(given=st.lists(st.tuples(pks, attrs, tags, expires, counts), max_size=4))
    def bulk_upsert(self, given):
        copies = [self.new(*each) for each in given]
        for copy in copies:
            copy.thing.unset("code")
        later = []
        for copy in copies:  # inserts come first
            if copy.thing.id in self.store.rows:
                later.append(copy)
            else:
                self.store.saved(copy)
        for copy in later:
            row, mine = self.store.rows[copy.thing.id], copy.held()
            for name in ("name", "rank"):
                row.attrs.pop(name, None)
                row.attrs |= {k: v for k, v in mine.attrs.items() if k == name}
            row.tags, row.n = mine.tags, mine.n
        Thing.objects.bulk_create(
            [copy.thing for copy in copies],
            update_conflicts=True,
            update_fields=["name", "rank", "tags", "n"],
            unique_fields=["id"],
        )

    @rule(name=st.integers(0, 2), attrs=attrs, n=counts, does_update=st.booleans())
    def upsert(self, name, attrs, n, does_update):
        found, after = self.store.named(name), self.store.forked()
        method = (
            Thing.objects.update_or_create
            if does_update
            else (Thing.objects.get_or_create)
        )
        given = {**attrs, "name": name, **({} if n is None else {"n": n})}
        if len(found) > 1:
            with self.refused(Thing.MultipleObjectsReturned):
                method(given, name=name)
            return
        if found and does_update:
            row = after.rows[found[0]]
            row.attrs |= {**attrs, "name": name}
            row.n = row.n if n is None else n
        elif not found:
            new = Row({**attrs, "name": name}, set(), True, n or 0)
            after.put("new", new)
        seen = []
        if not self.attempt(after, lambda: seen.extend(method(given, name=name))):
            return
        thing, is_new = seen
        assert is_new == (not found)
        if is_new:
            self.store.rows[thing.id] = self.store.rows.pop("new")
        self.keep(Copy(thing), self.store.rows[thing.id])

    @precondition(lambda self: self.copies)
    @rule(
        steps=st.lists(
            st.tuples(st.booleans(), places, attrs, tags, expires, counts),
            min_size=1,
            max_size=4,
        ),
        fails=st.booleans(),
    )
    def block(self, steps, fails):
        """Save and delete copies in one step, or not at all."""
        after, rest = self.store.forked(), list(self.copies)
        before = [(copy, copy.base, copy.is_assigned) for copy in rest]
        saved_copies = {}
        with suppress(LookupError, ormist.IntegrityError), ormist.atomic():
            for is_save, place, attrs, tags, expire, n in steps:
                copy = rest[place % len(rest)]
                if is_save:
                    self.changed(place, attrs, tags, expire, n, ())
                    copy.thing.save()
                    row = after.saved(copy)
                    mine = copy.held()
                    copy.base, copy.is_assigned = mine, False
                    saved_copies[id(copy)] = (copy, row)
                else:
                    copy.thing.delete()
                    after.rows.pop(copy.thing.id, None)
                    copy.base = None
                    saved_copies[id(copy)] = (copy, None)
            if fails:
                raise LookupError
        is_taken = False
        try:
            after.check()
        except Taken:
            is_taken = True
        if fails or is_taken:
            for copy, base, is_assigned in before:
                copy.base, copy.is_assigned = base, is_assigned or copy.is_assigned
            self.copies = [c for c in self.copies if id(c) not in saved_copies]
            return
        self.store = after
        for copy, row in saved_copies.values():
            copy.base = None if row is None else without_place(row)

    @invariant()
    def the_store_is_the_model(self):
        store = self.store
        found = Thing.objects.all().list()
        assert [each.id for each in found] == store.in_order()
        for each in found:
            assert Copy(each).held() == without_place(store.rows[each.id])
        for name in range(3):
            assert Thing.objects.find(name=name).ids() == store.named(name)
        assert Thing.objects.order_by("rank").ids() == store.ranked()
        assert raw_faults(self.server.client, self.server.key_prefix) == []


@pytest.mark.servers("valkey91", "redis70")
def test_any_sequence_of_writes_matches_the_python_model(server):
    Writes.server = server
    settings = hypothesis.settings(
        max_examples=40, stateful_step_count=25, phases=PHASES
    )
    run_state_machine_as_test(Writes, settings=settings)
