"""Jobs of worker processes with methods that write many objects or query first."""

from typing import Any

from django.db.models import F

import django_ormist as ormist
from tests.models import City, Page, Plain, Todo, User


class Account(ormist.TaggedAttrsModel):
    """An object whose unique value is the only arbiter of its insert."""

    class Meta:
        app_label = "tests"
        unique = ["email"]


def get_or_create(
    barrier: Any, number: int, rounds: int, how: str
) -> list[tuple[str, bool]]:
    """Get or create one object per round at the same moment; return ids and created."""
    seen = []
    for each in range(rounds):
        barrier.wait()
        if how == "id":
            found = User.objects.get_or_create({"by": number}, id=f"r{each}")
        elif how == "unique":
            found = Account.objects.get_or_create({"by": number}, email=each)
        elif how == "ordered":
            found = City.objects.get_or_create({"by": number}, population=each)
        elif how == "tags":
            found = Todo.objects.get_or_create({"by": number}, "round", f"r{each}")
        else:
            found = User.objects.get_or_create({"by": number}, name="n", round=each)
        seen.append((found[0].id, found[1]))
    return seen


def update_or_create(barrier: Any, number: int, rounds: int) -> list[tuple[str, bool]]:
    """Call update_or_create() in the same way, each with another attribute."""
    seen = []
    for each in range(rounds):
        barrier.wait()
        found, is_new = User.objects.update_or_create({f"of{number}": 1}, round=each)
        seen.append((found.id, is_new))
    return seen


def get_or_create_or_delete(barrier: Any, number: int, rounds: int) -> int:
    """Create in some workers, delete in others; return how often it was created."""
    made = 0
    for each in range(rounds):
        barrier.wait()
        if number % 3:
            made += User.objects.get_or_create(round=each % 5)[1]
        else:
            User.objects.find(round=each % 5).delete()
    return made


def update_or_change(barrier: Any, number: int, rounds: int) -> None:
    """Update objects with a name in even workers; move the name in odd ones.

    In the end, the object with the name has been updated, or is new.
    """
    for each in range(rounds):
        barrier.wait()
        if number % 2 == 0:
            User.objects.update_or_create({f"of{number}": each}, name=f"n{each}")
        else:
            User.objects.find(name=f"n{each}").update(name="gone", was=f"n{each}")


def add(barrier: Any, number: int, times: int) -> list[int]:
    """Add one to an attribute and a counter of every object; return the numbers."""
    barrier.wait()
    return [
        Page.objects.update(n=F("n") + 1, views=F("views") + 1) for _ in range(times)
    ]


def increment_beside(barrier: Any, number: int, pk: str, times: int) -> int:
    """Double the counter by update() in the first, increment it in the others.

    Returns the sum of these increments.
    """
    barrier.wait()
    for _ in range(times):
        if number == 0:
            Page.objects.update(votes=F("views"))
        else:
            Page(id=pk).increment("views")
    return 0 if number == 0 else times


def take_names(barrier: Any, number: int, rounds: int) -> int:
    """Update objects with an old name; return their number over all rounds."""
    taken = 0
    for each in range(rounds):
        barrier.wait()
        taken += User.objects.find(name=f"old{each}").update(name="new", by=number)
    return taken


def delete_all(barrier: Any, number: int) -> int:
    barrier.wait()
    return User.objects.all().delete()[0]


def sign_pairs(barrier: Any, number: int, rounds: int) -> int:
    """Write one mark to two objects of two models in a block.

    Returns how often the marks differed within one model, or came alone.
    """
    wrong = 0
    barrier.wait()
    for each in range(rounds):
        mark = f"{number}-{each}"
        with ormist.atomic():
            for pk in ("a", "b"):
                Plain(id=pk, mark=mark).save()
            Todo(f"mark {mark}", id="todo", mark=mark).save()
        marks = {each.mark for each in Plain.objects.all()[:2]}
        wrong += len(marks) != 1
    return wrong


def insert_in_blocks(barrier: Any, number: int, rounds: int) -> list[int]:
    """Insert one common id per round in blocks; return the rounds that were won."""
    won = []
    for each in range(rounds):
        barrier.wait()
        try:
            with ormist.atomic():
                User.objects.create("own", id=f"{each}-{number}", round=each)
                City.objects.create(id=f"{each}-{number}", code=f"code{each}")
                User.objects.create("common", id=f"round{each}", by=number)
        except ormist.IntegrityError:
            continue
        won.append(each)
    return won


def swap_codes(barrier: Any, number: int, rounds: int) -> int:
    """Swap the unique codes of two cities in a block; return how often it succeeded."""
    done = 0
    barrier.wait()
    for _ in range(rounds):
        one, two = City.objects.get("one"), City.objects.get("two")
        one.code, two.code = two.code, one.code
        try:
            with ormist.atomic():
                one.save(strict=True)
                two.save(strict=True)
        except (ormist.ConflictError, ormist.IntegrityError):
            continue
        done += 1
    return done


def change_in_blocks(barrier: Any, number: int, pks: list[str]) -> None:
    """Change another attribute of all objects in each worker, in one block."""
    made = [User.objects.get(pk) for pk in pks]
    barrier.wait()
    with ormist.atomic():
        for each in made:
            each.attrs[f"of{number}"] = number
            each.tags = [*each.tags, f"by{number}"]
            each.save()


def bulk_upsert(barrier: Any, number: int, rounds: int) -> None:
    """Insert or update the same values at one moment."""
    for each in range(rounds):
        new = [City(code=f"{each}-{i}", **{f"of{number}": each}) for i in range(5)]
        barrier.wait()
        City.objects.bulk_create(
            new,
            update_conflicts=True,
            update_fields=[f"of{number}"],
            unique_fields=["code"],
        )


def bulk_ignore(barrier: Any, number: int, rounds: int) -> int:
    """Insert the same values at one moment; return the number of stored ones."""
    stored = 0
    for each in range(rounds):
        new = [City(code=f"{each}-{i}", by=number) for i in range(5)]
        barrier.wait()
        City.objects.bulk_create(new, ignore_conflicts=True)
        stored += sum(not city._state.adding for city in new)
    return stored
