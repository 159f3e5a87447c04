"""Sessions of another engine, stored as ours: keys and deadlines kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from ..connections.executor import run
from ..exceptions import IntegrityError
from ..models.deadlines import now_ms, to_deadline
from ..operations import objects
from ..operations.operation import Flow
from . import payload, settings
from .keys import private_id
from .model import Session
from .sources import Found

BATCH = 500


@dataclass
class Tally:
    """How far an import has come. refused: private id and reason, of each."""

    carried: int = 0
    present: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def seen(self) -> int:
        return self.carried + self.present + len(self.refused)


def carried_over(found: Iterable[Found]) -> Iterator[Tally]:
    """Store each session that is not there yet; the tally after every 500.

    Begun again after an interruption, it goes on: what is stored is passed over, and
    never replaced. A session whose values SESSION_SERIALIZER refuses is left out.
    """
    tally, rest = Tally(), iter(found)
    while some := list(islice(rest, BATCH)):
        made = [_made(each, tally) for each in some]
        new = [session for session in made if session is not None]
        while True:
            there = run(_there(new), settings.using())
            missing = [each for each in new if each.id not in there]
            try:
                Session.objects.bulk_create(missing)
            except IntegrityError:
                continue  # somebody else stored one of them at this moment
            break
        tally.carried += len(missing)
        tally.present += len(new) - len(missing)
        yield tally


def _made(found: Found, tally: Tally) -> Session | None:
    """The session as ours, not stored; None if it cannot be, which is tallied."""
    session = Session(id=private_id(found.key))
    serializer = import_string(django_settings.SESSION_SERIALIZER)
    own = {"created_ms": now_ms()}
    try:
        session.attrs.update(payload.attributes(found.data, serializer, own))
    except Exception as error:  # whatever a serializer raises
        tally.refused.append((session.id, str(error)))
        return None
    age = django_settings.SESSION_COOKIE_AGE
    session.__dict__["_expire_at_ms"] = found.deadline or to_deadline(age)
    return session


def _there(sessions: list[Session]) -> Flow:
    """Flow: the ids of those that are stored. One round trip."""
    space = Session._meta.space(settings.using())
    found = yield [objects.exists(space, each.id) for each in sessions]
    return {each.id for each, is_there in zip(sessions, found, strict=True) if is_there}
