"""Jobs of worker processes. The first arguments are a barrier and a number."""

from typing import Any

from django_ormist.exceptions import ConflictError, IntegrityError
from tests.models import Page, Token, User


def change_own_part(barrier: Any, number: int, pks: list[str]) -> None:
    """Load together with the others, then save a change of another attribute."""
    name = "left" if number == 0 else "right"
    for pk in pks:
        user = User.objects.get(pk)
        barrier.wait()
        setattr(user, name, "new")
        user.attrs[f"list_{name}"][0]["deep"].append(number)
        user.tags = [*user.tags, f"by {name}"]
        user.save()


def change_the_same(barrier: Any, number: int, pks: list[str]) -> None:
    """Change one attribute in all processes, to different values."""
    for pk in pks:
        user = User.objects.get(pk)
        barrier.wait()
        user.name = f"name{number}"
        user.save()


def save_strictly(barrier: Any, number: int, pks: list[str]) -> list[str]:
    """Save strictly an object that all have loaded; return the ids of successes."""
    done = []
    for pk in pks:
        user = User.objects.get(pk)
        barrier.wait()
        user.name = f"name{number}"
        try:
            user.save(strict=True)
        except ConflictError:
            continue
        done.append(pk)
    return done


def increment(barrier: Any, number: int, pk: str, times: int) -> list[int]:
    """Add to a counter and to an attribute; return the values of the counter."""
    page = Page.objects.get(pk)
    barrier.wait()
    seen = []
    for _ in range(times):
        seen.append(page.increment("views"))
        page.increment("size", 2)
    return seen


def insert(barrier: Any, number: int, rounds: int, is_bulk: bool) -> list[int]:
    """Insert the one id of each round; return the rounds that were won."""
    won = []
    for each in range(rounds):
        user = User("tag", f"of{number}", id=f"round{each}", winner=number)
        barrier.wait()
        try:
            if is_bulk:
                User.objects.bulk_create([User("tag", id=f"{number}-{each}"), user])
            else:
                user.save(force_insert=True)
        except IntegrityError:
            continue
        won.append(each)
    return won


def delete_or_update(barrier: Any, number: int, pks: list[str]) -> list[str]:
    """Delete in even workers, force an update in odd ones; return ids of successes."""
    done = []
    for pk in pks:
        user = User.objects.get(pk)
        barrier.wait()
        if number % 2 == 0:
            if user.delete()[0]:
                done.append(pk)
        else:
            user.tags = [*user.tags, f"late{number}"]
            try:
                user.save(force_update=True)
            except User.NotUpdated:
                pass
            else:
                done.append(pk)
        barrier.wait()
    return done


def delete_or_save(barrier: Any, number: int, pks: list[str]) -> None:
    """Delete in even workers, save in odd ones, which may restore the object."""
    for pk in pks:
        user = User.objects.get(pk)
        barrier.wait()
        if number % 2 == 0:
            user.delete()
        else:
            user.name = f"name{number}"
            user.tags = [f"late{number}"]
            user.save()
        barrier.wait()


def save_until_expired(barrier: Any, number: int, pks: list[str]) -> list[str]:
    """Save each object until it has expired; return those that came back."""
    came_back = []
    barrier.wait()
    for pk in pks:
        token = Token.objects.get_or_none(pk)
        turn = 0
        while token is not None and token.ttl():
            turn += 1
            setattr(token, f"of{number}", turn)
            token.tags = [f"turn{turn % 3}", "all"]
            try:
                token.save(force_update=True)
            except Token.NotUpdated:
                break
        if token is None:
            continue
        token.expire = None
        try:
            token.save(force_update=True)
        except Token.NotUpdated:
            continue
        came_back.append(pk)
    return came_back
