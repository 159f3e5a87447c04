"""The peers of an instance: the objects of the result from which it was read.

What an instance loads on first access, as its creation time, is loaded for all of its
peers in the same round trip::

    check_may_wait(f"{name}.something", "Await ... first.")
    peers = peers_of(instance)  # itself first, then the others
    found = run(fetch_something(peers), instance._state.using)
    for each, something in zip(peers, found, strict=True):
        each._state.something = something

Instances do not keep their peers alive. Weak references cost 100 ns per object, so
there are none as long as its list exists: the objects share one ``Peers``, which has a
weak reference to the list. When that is deleted, ``Peers`` gets weak references to the
objects that outlive it, as in ``[each for each in books if each.is_new]``.
"""

from collections.abc import Iterable, Iterator
from operator import countOf
from sys import getrefcount
from typing import Any, Self, TypeVar
from weakref import ref

from ..connections.executor import is_loop_running
from ..exceptions import SynchronousOnlyOperation

T = TypeVar("T")


class Peers:
    """The weak link from the objects of one result to each other.

    It is shared by their ``_state.peers``.
    """

    __slots__ = ("_gone", "_lists", "_survivors")

    def __init__(self) -> None:
        self._lists: list[ref[ResultList[Any]]] = []
        self._survivors: list[ref[Any]] = []
        self._gone = 0

    def __iter__(self) -> Iterator[Any]:
        """Yield the objects that are alive, each once."""
        found = [each() for each in self._survivors]
        for known in self._lists:
            found += known() or ()
        for each in {id(each): each for each in found if each is not None}.values():
            if each._state.peers is self:  # the list is its user's, who may add to it
                yield each

    def add_list(self, items: "ResultList[Any]") -> None:
        """Find the objects by this list as long as it is alive."""
        self._lists.append(ref(items))

    def remove_list(self, items: "ResultList[Any]") -> None:
        """Refer to the objects that outlive this list, if it is the last one."""
        # By identity: a copy of the list equals it, and is another one.
        self._lists = [
            each
            for each in self._lists
            if (known := each()) is not None and known is not items
        ]
        if not self._lists and _count_held(items) > 1:  # an only one has no peers
            forget = self._forget
            self._survivors = [ref(each, forget) for each in _held_elsewhere(items)]

    def _forget(self, survivor: ref[Any]) -> None:
        """Remove the references to deleted objects when they are half of all.

        The last one is removed, too: these references refer to this object.
        """
        self._gone += 1
        if 2 * self._gone >= len(self._survivors):
            self._survivors = [each for each in self._survivors if each() is not None]
            self._gone = 0


class ResultList(list[T]):
    """The list of the objects of a result, which are peers. A copy is another one.

    Slices, pickled and deep copies are plain lists.
    """

    __slots__ = ("__weakref__", "_peers")

    def __init__(self, items: Iterable[T], peers: Peers) -> None:
        super().__init__(items)
        self._peers = peers
        peers.add_list(self)

    def __del__(self) -> None:
        self._peers.remove_list(self)

    def copy(self) -> Self:
        """Return a list of the same objects."""
        return type(self)(self, self._peers)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)


def peers_of(instance: T) -> list[T]:
    """Return the instance, and those of its result that are alive and still stored.

    They are of the same model and alias. An instance that was not read with others has
    no peers: the list has one item. No round trip.
    """
    state: Any = instance._state  # type: ignore[attr-defined]
    found = [instance]
    if state.peers is not None and state.packed is not None:
        for each in state.peers:
            known = each._state
            if (
                each is not instance
                and known.using == state.using
                and known.packed is not None
            ):
                found.append(each)
    return found


def link(instances: list[T]) -> list[T]:
    """Return a list of these objects, which are each other's peers from now on."""
    if len(instances) < 2:
        return instances
    peers = Peers()
    for each in instances:
        each._state.peers = peers  # type: ignore[attr-defined]
    return ResultList(instances, peers)


def check_may_wait(name: str, advice: str) -> None:
    """Raise SynchronousOnlyOperation if an attribute must be loaded in async code.

    As in Django, the environment variable DJANGO_ALLOW_ASYNC_UNSAFE allows it.
    """
    if is_loop_running():
        raise SynchronousOnlyOperation(
            f"Reading {name} would have to wait for a server, which an attribute "
            f"cannot in async code. {advice}"
        )


def _count_held(items: list[Any]) -> int:
    """Return how many of these items are not only in this list."""
    return len(items) - countOf(map(getrefcount, items), _HELD_IN_MAP)


def _held_elsewhere(items: list[Any]) -> list[Any]:
    """Return those that are not only in this list."""
    return [each for each in items if getrefcount(each) > _HELD_IN_LOOP]


# The references that an item of a list has in these expressions.
_HELD_IN_MAP = next(map(getrefcount, [object()]))
_HELD_IN_LOOP = [getrefcount(each) for each in [object()]][0]  # noqa: RUF015
