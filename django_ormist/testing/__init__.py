"""Tools for the tests of a project: isolation, counted round trips, time travel.

pytest loads ``plugin.py`` by itself. ``IsolatedOrmist`` is for classes of unittest.
"""

from .cases import IsolatedOrmist
from .isolation import Isolated, assert_round_trips, isolated

__all__ = ["Isolated", "IsolatedOrmist", "assert_round_trips", "isolated"]
