"""A session engine for Django: ``SESSION_ENGINE = "django_ormist.sessions"``."""

from .logout import alog_out_everywhere, log_out_everywhere
from .model import Session, private_id
from .store import SessionStore

__all__ = [
    "Session",
    "SessionStore",
    "alog_out_everywhere",
    "log_out_everywhere",
    "private_id",
]
