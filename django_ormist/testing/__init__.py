"""For the tests of a project: an empty key space a test, counted trips, moved time.

pytest finds ``plugin.py`` by itself; ``IsolatedOrmist`` is for unittest's classes.
"""

from .cases import IsolatedOrmist
from .isolation import Isolated, assert_round_trips, isolated

__all__ = ["Isolated", "IsolatedOrmist", "assert_round_trips", "isolated"]
