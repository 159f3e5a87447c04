"""Common parts of the URLs of sentinels and Cluster nodes: hosts and limits."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from redis.connection import parse_url

from ..exceptions import ImproperlyConfigured
from ..operations.operation import Address
from .endpoints import REPLICAS_TIMEOUT, Endpoint

_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^@/?#]*)@)?(?P<hosts>[^@/?#]*)"
    r"(?:/(?P<first>[^@/?#]*))?(?:/(?P<second>[^@/?#]*))?/?(?:\?(?P<query>[^@#]*))?",
    re.IGNORECASE,
)
_HOST = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^:\[\]\s]+))(?::(?P<port>[0-9]{1,5}))?"
)

LIMITS: Mapping[str, tuple[tuple[type[Any], ...], str]] = {
    "patience": ((int, float), "seconds, such as 10"),
    "replicas": ((int,), "the number of replicas that confirm each write, such as 1"),
    "replicas_timeout": ((int, float), "seconds, such as 1"),
    "watch": ((bool,), "True or False"),
}


def split_urls(
    where: str, locations: Sequence[str], kind: str, example: str, port: int
) -> tuple[dict[str, Any], list[Address]]:
    """Return the parts of one URL, or of several that differ in hosts alone.

    The parts are the scheme, the user, the query, and the "first" and "second" name in
    the path. The second result has the addresses of all hosts. kind: what the hosts are
    (for errors). port: that of a host without one. Raises ImproperlyConfigured, which
    never shows the URL: it may hold a password.
    """
    found = [_URL.fullmatch(location) for location in locations]
    if not all(found):
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] is not a URL of {kind}. Write it as {example!r}, "
            "and percent-encode special characters in the user and the password, or "
            "move them to OPTIONS."
        )
    parts = [match.groupdict() for match in found if match]
    if len({tuple({**part, "hosts": ""}.items()) for part in parts}) > 1:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] is a list of URLs that differ in more than the "
            "hosts. Give them the same scheme, user, path and query."
        )
    addresses = [
        address
        for part in parts
        for address in _addresses(where, part["hosts"], example, port)
    ]
    return parts[0], addresses


def _addresses(where: str, listed: str, example: str, port: int) -> Iterator[Address]:
    for host in listed.split(","):
        found = _HOST.fullmatch(host)
        if found is None or not 0 < int(found["port"] or port) < 65536:
            raise ImproperlyConfigured(
                f"{where}['LOCATION'] has a host that cannot be read. Write hosts as "
                f"in {example!r}, and an IPv6 address in brackets."
            )
        if (found["host"] or "").isdecimal():
            raise ImproperlyConfigured(
                f"{where}['LOCATION'] has a host that is a number. Write the host "
                f"before each port, as in {example!r}."
            )
        yield found["v6"] or unquote(found["host"]), int(found["port"] or port)


def check_database(where: str, number: str | None, place: str) -> None:
    """Raise ImproperlyConfigured if the text in the path is no number."""
    if not re.fullmatch(r"\d*", number or ""):
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] has {number!r} {place}. "
            "Make it the number of a database, such as /0."
        )


def named_arguments(
    where: str, parts: Mapping[str, Any], database: str | None, own: Sequence[str]
) -> dict[str, Any]:
    """Return the arguments of nodes that the URL gives: user, database and query.

    own: the options of this package, which are not taken from the query.
    """
    url = f"redis://{parts['user'] or ''}@h/{database or ''}?{parts['query'] or ''}"
    try:
        named = parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] cannot be read: {error} Correct its query."
        ) from None
    for name in own:
        if name in named:
            raise ImproperlyConfigured(
                f"{where}['LOCATION'] has {name!r} in its query. Move it to OPTIONS."
            )
    refuse_second_database(where, database, named)
    return {name: value for name, value in named.items() if name != "host"}


def refuse_second_database(
    where: str, number: str | None, named: Mapping[str, Any]
) -> None:
    """Raise ImproperlyConfigured if path and query name two databases."""
    if number and named.get("db") != int(number):
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] names the database {number} in its path, and "
            f"{named.get('db')} in its query. Leave one of them out."
        )


READ_FROM = ("primary", "replicas")
OWN = (*LIMITS, "read_from")
"""The options of this package for several nodes."""


def read_limits(where: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are in OWN. Raises ImproperlyConfigured."""
    limits = {name: value for name, value in own.items() if name in OWN}
    for name, value in limits.items():
        if name == "read_from":
            if value not in READ_FROM:
                raise ImproperlyConfigured(
                    f"{where} has read_from {value!r}. Make it 'primary' or 'replicas'."
                )
            continue
        kinds, example = LIMITS[name]
        if type(value) not in kinds or not 0 <= value < float("inf"):
            raise ImproperlyConfigured(
                f"{where} has {name} {value!r}. Make it {example}."
            )
    return limits


def check_replicas(where: str, made: Endpoint, limits: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured if the socket does not wait for the replicas."""
    longest = made.connection_class(**made.arguments).socket_timeout
    timeout = limits.get("replicas_timeout", REPLICAS_TIMEOUT)
    if longest is not None and timeout >= longest:
        raise ImproperlyConfigured(
            f"{where} has replicas_timeout {timeout!r}, and socket_timeout is "
            f"{longest!r}. Make the first less than the second."
        )
