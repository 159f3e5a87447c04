"""Read and check the ORMIST setting. No other module reads it.

    ORMIST = {
        "default": {
            "LOCATION": "redis://localhost:6379/0",  # or "CACHE": an alias of CACHES
            "KEY_PREFIX": "ormist",
            "CODEC": "msgpack",  # or "json"
            "OPTIONS": {},  # redis-py's connection arguments, max_connections, timeout
            "TEST": {},  # LOCATION, OPTIONS and KEY_PREFIX for a test run
        },
    }

``connections`` interprets LOCATION and OPTIONS, because that depends on redis-py.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from django.conf import ENVIRONMENT_VARIABLE, settings

from .exceptions import ImproperlyConfigured

__all__ = ["Alias", "get_setting", "read_alias"]

DEFAULT: Mapping[str, Any] = MappingProxyType(
    {"default": {"LOCATION": "redis://localhost:6379/0"}}
)
CODECS = ("msgpack", "json")
_KEYS = ("LOCATION", "CACHE", "KEY_PREFIX", "CODEC", "OPTIONS", "TEST")
_TEST_KEYS = ("LOCATION", "KEY_PREFIX", "OPTIONS")
OPTIONS_OF_NODES = frozenset(
    {"patience", "read_from", "replicas", "replicas_timeout", "watch"}
)
"""The options of this package for Sentinel and Cluster, also beside CACHE."""


Location = str | tuple[str, ...]
"""A URL, or the URLs of several sentinels."""


@dataclass(frozen=True, slots=True)
class Test:
    """The TEST settings of an alias. A missing one is that of the alias."""

    location: Location | None = field(default=None, repr=False)
    key_prefix: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Alias:
    """One alias of ORMIST. Either *location*, a URL, or *cache* is set.

    is_in_test: whether *location* and *options* come from TEST.
    """

    name: str
    location: Location | None = field(default=None, repr=False)  # may hold a password
    cache: str | None = None
    key_prefix: str = "ormist"
    codec: str = "msgpack"
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    test: Test = Test()
    is_in_test: bool = False

    @property
    def locations(self) -> tuple[str, ...]:
        """The URLs in *location*."""
        found = self.location or ()
        return (found,) if isinstance(found, str) else found

    @property
    def where(self) -> str:
        """The setting that contains *location* and *options*, for error messages."""
        return f"ORMIST[{self.name!r}]" + ("['TEST']" if self.is_in_test else "")

    def in_tests(self, key_prefix: str) -> "Alias":
        """Return the alias with its TEST settings and *key_prefix*."""
        if self.test.location is None:
            return replace(self, key_prefix=key_prefix)
        return replace(
            self,
            key_prefix=key_prefix,
            location=self.test.location,
            cache=None,
            options=self.test.options,
            is_in_test=True,
        )


def get_setting() -> Mapping[str, Any]:
    """Return ``settings.ORMIST``, or localhost:6379/0 if it is missing.

    Also works in a script without Django settings. Raises ImproperlyConfigured if the
    setting is not a dict.
    """
    if not settings.configured and not os.environ.get(ENVIRONMENT_VARIABLE):
        return DEFAULT
    value = getattr(settings, "ORMIST", DEFAULT)
    if not isinstance(value, Mapping):
        raise ImproperlyConfigured(
            f"ORMIST is a {type(value).__name__}. "
            "Make it a dict of aliases, each a dict of settings."
        )
    return value


def read_alias(name: str, entries: Mapping[str, Any] | None = None) -> Alias:
    """Return the alias *name* of *entries*, by default of the setting.

    Raises ImproperlyConfigured if a setting of the alias is invalid. The message names
    the alias and the key, and suggests a fix.
    """
    entries = get_setting() if entries is None else entries
    if name not in entries:
        raise ImproperlyConfigured(
            f"ORMIST has no alias {name!r}. Add it, or use one of: {_join(entries)}."
        )
    entry = entries[name]
    if not isinstance(name, str) or not name:
        raise ImproperlyConfigured(
            f"ORMIST has an alias {name!r}. Name it by a str that is not empty."
        )
    if not isinstance(entry, Mapping):
        raise ImproperlyConfigured(
            f"ORMIST[{name!r}] is a {type(entry).__name__}. "
            "Make it a dict with LOCATION or CACHE."
        )
    where = f"ORMIST[{name!r}]"
    _check_keys(where, entry, _KEYS)
    _check_location(where, entry)
    _check_key_prefix(where, entry.get("KEY_PREFIX", "ormist"))
    _check_codec(name, entry.get("CODEC", "msgpack"))
    _check_options(where, entry)
    return Alias(
        name=name,
        location=_location(entry),
        cache=entry.get("CACHE"),
        key_prefix=entry.get("KEY_PREFIX", "ormist"),
        codec=entry.get("CODEC", "msgpack"),
        options=MappingProxyType(dict(entry.get("OPTIONS", {}))),
        test=_read_test(f"{where}['TEST']", entry.get("TEST", {})),
    )


def _read_test(where: str, entry: Any) -> Test:
    """Return the TEST settings of an alias."""
    if not isinstance(entry, Mapping):
        raise ImproperlyConfigured(
            f"{where} is a {type(entry).__name__}. "
            f"Make it a dict with any of {_join(_TEST_KEYS)}."
        )
    _check_keys(where, entry, _TEST_KEYS)
    if "LOCATION" in entry:
        _check_location(where, entry)
    elif "OPTIONS" in entry:
        raise ImproperlyConfigured(
            f"{where} has OPTIONS without LOCATION. Add the LOCATION that they are for."
        )
    if "KEY_PREFIX" in entry:
        _check_key_prefix(where, entry["KEY_PREFIX"])
    _check_options(where, entry)
    return Test(
        location=_location(entry),
        key_prefix=entry.get("KEY_PREFIX"),
        options=MappingProxyType(dict(entry.get("OPTIONS", {}))),
    )


def _check_keys(where: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in entry:
        if key not in known:
            raise ImproperlyConfigured(
                f"{where} has an unknown key {key!r}. "
                f"Use {_join(known)}; redis-py's own arguments go in OPTIONS."
            )


def _check_location(where: str, entry: Mapping[str, Any]) -> None:
    given = [key for key in ("LOCATION", "CACHE") if key in entry]
    if len(given) != 1:
        found = "both LOCATION and CACHE" if given else "neither LOCATION nor CACHE"
        raise ImproperlyConfigured(
            f"{where} has {found}. Give one: LOCATION, a URL, or CACHE, "
            "an alias of settings.CACHES."
        )
    value = entry[given[0]]
    if given == ["LOCATION"] and isinstance(value, list | tuple):
        if not value or not all(isinstance(each, str) and each for each in value):
            raise ImproperlyConfigured(
                f"{where}['LOCATION'] is a {type(value).__name__} that is empty, or "
                "holds something other than URLs. Give the URL of each sentinel, such "
                "as 'redis+sentinel://s1:26379/mymaster/0'."
            )
        return
    if not isinstance(value, str) or not value:
        raise ImproperlyConfigured(
            f"{where}[{given[0]!r}] is "
            + ("empty" if value == "" else f"a {type(value).__name__}")
            + ". Make it a str that is not empty, such as "
            + ("'redis://localhost:6379/0'." if given == ["LOCATION"] else "'default'.")
        )


def _location(entry: Mapping[str, Any]) -> Location | None:
    """Return LOCATION; a list as a tuple."""
    value = entry.get("LOCATION")
    return tuple(value) if isinstance(value, list) else value


def _check_key_prefix(where: str, prefix: Any) -> None:
    if not isinstance(prefix, str) or not prefix:
        raise ImproperlyConfigured(
            f"{where}['KEY_PREFIX'] is {prefix!r}. Make it a str that is not empty."
        )
    # { and } would change the hash tag of a Cluster. Control characters are invisible.
    invalid = next((c for c in prefix if c in "{}" or _is_control(c)), None)
    if invalid is not None:
        raise ImproperlyConfigured(
            f"{where}['KEY_PREFIX'] contains {invalid!r}. "
            "Remove { and } and control characters."
        )
    if prefix.endswith(":lost"):
        raise ImproperlyConfigured(
            f"{where}['KEY_PREFIX'] is {prefix!r}. Choose one that does not end with "
            f"':lost'. There, a repair of {prefix.removesuffix(':lost')!r} quarantines "
            "keys, and a flush removes them."
        )


def _is_control(character: str) -> bool:
    code = ord(character)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000


def _check_codec(name: str, codec: Any) -> None:
    if codec not in CODECS:
        raise ImproperlyConfigured(
            f"ORMIST[{name!r}]['CODEC'] is {codec!r}. Use {_join(CODECS)}."
        )


def _check_options(where: str, entry: Mapping[str, Any]) -> None:
    options = entry.get("OPTIONS", {})
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(
            f"{where}['OPTIONS'] is a {type(options).__name__}. "
            "Make it a dict of redis-py's connection arguments."
        )
    if "CACHE" in entry and not OPTIONS_OF_NODES.issuperset(options):
        raise ImproperlyConfigured(
            f"{where} has both OPTIONS and CACHE. Move the options to "
            f"CACHES[{entry['CACHE']!r}], whose connections are used."
        )


def _join(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"
