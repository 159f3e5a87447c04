"""Sessions as objects of the mapper: ``SESSION_ENGINE = "django_ormist.sessions"``."""

from .ending import alog_out_everywhere, log_out_everywhere
from .keys import private_id
from .model import Session
from .store import SessionStore

__all__ = [
    "Session",
    "SessionStore",
    "alog_out_everywhere",
    "log_out_everywhere",
    "private_id",
]
