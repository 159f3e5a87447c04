"""A process that makes random writes until it is killed."""

import os
import random
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.db.models import F

import django_ormist as ormist
from django_ormist.exceptions import ConflictError, IntegrityError
from tests.concurrency.workers import configure
from tests.models import City, Page, Plain, Session, Token, User

MODELS = (City, Page, Plain, Session, Token, User)
IDS = 30  # of each model: few, so that writers meet
TAGS = ["red", "green", "blue", "ä:b*?[]{}", "long " * 20]
SHORT, LONG = 0.3, 100_000.0  # lifetimes in seconds

FINE = (
    ConflictError,
    IntegrityError,
    *(model.DoesNotExist for model in MODELS),
    *(model.NotUpdated for model in MODELS),
)
"""What may happen to one writer because of another."""


def write(
    alias: dict[str, Any], seed: int, report: Path, done: Any, methods: tuple[Any, ...]
) -> None:
    """Write until killed. On an error, end with a traceback in *report*.

    done: the number of calls of each of *verbs*.
    """
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    try:
        configure(alias)
        turns = random.Random(seed)
        while True:
            number = turns.randrange(len(methods))
            with suppress(*FINE):
                methods[number](turns, turns.choice(MODELS))
            done[number] += 1
    except BaseException:
        report.write_text(traceback.format_exc())
        raise


def new(turns: random.Random, model: Any) -> Any:
    """Return an object with one of few ids."""
    tags = turns.sample(TAGS, turns.randint(0, 3)) if model.is_tagged else []
    attrs = values(turns)
    if model is City:
        attrs |= ranks(turns)
    if model is Page:
        attrs |= {"views": turns.randint(0, 9)}
    expire = turns.choice([None, None, SHORT, LONG])
    return model(*tags, id=f"id{turns.randrange(IDS)}", expire=expire, **attrs)


def values(turns: random.Random) -> dict[str, Any]:
    """Return some attributes; most models index one of them at least."""
    names = ["site", "user_id", "name", "bio"]
    return {name: turns.randrange(3) for name in turns.sample(names, 2)}


def ranks(turns: random.Random) -> dict[str, Any]:
    """Return ordered attributes, and unique values that others may hold."""
    ranks = {"population": turns.randrange(5), "founded": turns.choice(["1", 2.5])}
    codes = {"code": turns.randrange(40), "slug": turns.randrange(5), "country": "ch"}
    names = turns.sample([*ranks, *codes], 3)
    return {name: {**ranks, **codes}[name] for name in names}


def some(turns: random.Random, model: Any) -> Any:
    """Return a stored object, or raise DoesNotExist."""
    return model.objects.get(f"id{turns.randrange(IDS)}")


def changed(turns: random.Random, model: Any) -> Any:
    """Return a stored object with unsaved changes."""
    found = some(turns, model)
    found.set(**values(turns))
    found.unset(turns.choice(["site", "user_id", "name", "population", "code"]))
    if model is City:
        found.set(**ranks(turns))
    if model.is_tagged and turns.random() < 0.7:
        found.tags = turns.sample(TAGS, turns.randint(0, 3))
    if turns.random() < 0.5:
        found.expire = turns.choice([None, SHORT, LONG])
    if model is Page and turns.random() < 0.3:
        found.views = turns.randint(0, 9)
    return found


def create(turns: random.Random, model: Any) -> None:
    new(turns, model).save(force_insert=True)


def replace(turns: random.Random, model: Any) -> None:
    new(turns, model).save()


def save(turns: random.Random, model: Any) -> None:
    changed(turns, model).save()


def save_forced(turns: random.Random, model: Any) -> None:
    changed(turns, model).save(force_update=True)


def save_strict(turns: random.Random, model: Any) -> None:
    changed(turns, model).save(strict=True)


def delete(turns: random.Random, model: Any) -> None:
    changed(turns, model).delete()


def delete_unseen(turns: random.Random, model: Any) -> None:
    new(turns, model).delete()


def increment(turns: random.Random, model: Any) -> None:
    name = "views" if model is Page else "size"
    some(turns, model).increment(name, turns.randint(1, 3))


def bulk_create(turns: random.Random, model: Any) -> None:
    unique = {each.id: each for each in (new(turns, model) for _ in range(3))}
    model.objects.bulk_create(unique.values(), batch_size=2)


def bulk_save(turns: random.Random, model: Any) -> None:
    found = model.objects.all()[:4].list()
    for each in found:
        each.set(**values(turns))
    model.objects.bulk_save(found)


def delete_found(turns: random.Random, model: Any) -> None:
    if turns.random() < 0.2:
        random_query(turns, model).delete()


def expire_found(turns: random.Random, model: Any) -> None:
    random_query(turns, model).set_expire(turns.choice([None, SHORT, LONG, LONG]))


def get_or_create(turns: random.Random, model: Any) -> None:
    wanted = new(turns, model)
    lookups = {"id": wanted.id}
    if model in (User, City):
        lookups = {"name": turns.randrange(3)}
    with suppress(model.MultipleObjectsReturned):
        model.objects.get_or_create(wanted.attrs, **lookups)


def update_or_create(turns: random.Random, model: Any) -> None:
    wanted = new(turns, model)
    lookups = {"population": turns.randrange(5)} if model is City else {"id": wanted.id}
    if model is User:
        lookups = {"site": turns.randrange(3), "name": turns.randrange(3)}
    with suppress(model.MultipleObjectsReturned):
        model.objects.update_or_create(wanted.attrs, **lookups)


def update_found(turns: random.Random, model: Any) -> None:
    given = {**values(turns), "turn": turns.random(), "copy": F("name")}
    if model is Page:
        given |= {"views": F("views") + 1, "seen": F("votes")}
    if model is City:
        given |= {"population": turns.randrange(5), "code": F("id")}
    if turns.random() < 0.2:
        given["expire"] = turns.choice([None, SHORT, LONG])
    random_query(turns, model).update(**given)


def bulk_update(turns: random.Random, model: Any) -> None:
    found = model.objects.all()[:4].list()
    for each in found:
        each.set(**values(turns))
    model.objects.bulk_update(found, ["site", "name", "tags", "expire"])


def bulk_create_but(turns: random.Random, model: Any) -> None:
    made = [new(turns, model) for _ in range(6)]
    model.objects.bulk_create(made, batch_size=4, ignore_conflicts=True)


def bulk_upsert(turns: random.Random, model: Any) -> None:
    made = [new(turns, model) for _ in range(6)]
    unique = ["code"] if model is City and turns.random() < 0.5 else ["id"]
    model.objects.bulk_create(
        made,
        update_conflicts=True,
        update_fields=["site", "population", "tags", "expire"],
        unique_fields=unique,
    )


def block(turns: random.Random, model: Any) -> None:
    """Save and delete objects of several models in one step."""
    with ormist.atomic():
        for each in turns.sample(MODELS, 3):
            with suppress(each.DoesNotExist):
                turns.choice([save, save, replace, delete, delete_unseen])(turns, each)
        create(turns, model)
        if turns.random() < 0.1:
            raise model.DoesNotExist


def read(turns: random.Random, model: Any) -> None:
    collection = random_query(turns, model)
    collection.list()
    collection.ids()
    assert collection.count() >= 0


def read_page(turns: random.Random, model: Any) -> None:
    """Read a page in one step, and check that all of it matches."""
    collection = random_query(turns, model)
    for each in collection[:5].list():
        held = {*collection.query.terms}
        assert held <= set(each.tags), (held, each.tags)


def random_query(turns: random.Random, model: Any) -> Any:
    """Return a collection by a tag, by an attribute, or of all."""
    if model.is_tagged and turns.random() < 0.5:
        return model.objects.find(*turns.sample(TAGS, turns.randint(1, 2)))
    for name in ("site", "user_id", "name"):
        if model._meta.indexes(name):
            return model.objects.find(**{name: turns.randrange(3)})
    return model.objects.all()


VERBS = (
    create,
    replace,
    save,
    save_forced,
    save_strict,
    delete,
    delete_unseen,
    increment,
    bulk_create,
    bulk_save,
    delete_found,
    expire_found,
    get_or_create,
    update_or_create,
    update_found,
    bulk_update,
    bulk_create_but,
    bulk_upsert,
    block,
    read,
    read_page,
)

VERBS_BESIDE_DAMAGE = tuple(method for method in VERBS if method is not read_page)
"""An index entry that damage left behind may put an object on a page until repair."""
