"""Parsing of LOCATION, a URL, into an endpoint."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from redis.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)

from ..conf import Alias
from ..exceptions import ImproperlyConfigured
from . import cluster_urls, hosts, sentinel_urls
from .endpoints import ASYNC_CLASSES, Endpoint, check_arguments
from .options import validate_options
from .unix_connections import (
    AsyncEmbeddedConnection,
    EmbeddedConnection,
)

_fake_servers: dict[str, Any] = {}


def endpoint(alias: Alias) -> Endpoint:
    """Return the endpoint of ``alias.location`` and ``alias.options``.

    Opens no connection. Raises ImproperlyConfigured, which never shows the URL: it may
    hold a password.
    """
    where = alias.where
    locations = alias.locations
    location = locations[0] if locations else ""
    scheme = location.partition("://")[0].lower() if "://" in location else ""
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        scheme = ""  # it may hold a user and a password
    if scheme in sentinel_urls.SCHEMES:
        return sentinel_urls.endpoint(where, locations, alias.options)
    if scheme in cluster_urls.SCHEMES:
        return cluster_urls.endpoint(where, locations, alias.options)
    if scheme not in _SCHEMES:
        found = f"an unknown scheme {scheme!r}" if scheme else "no scheme"
        known = (*_SCHEMES, *sentinel_urls.SCHEMES, *cluster_urls.SCHEMES)
        near = get_close_matches(scheme, known, 1)
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] has {found}. "
            + (f"Did you mean {near[0]!r}? " if near else "")
            + f"Use one of {', '.join(known)}, such as 'redis://localhost:6379/0'."
        )
    if len(locations) > 1:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] is a list of several URLs with {scheme}://. Give "
            "one URL, or those of sentinels or of Cluster nodes: redis+sentinel://, "
            "redis+cluster://."
        )
    try:
        url = urlsplit(location)
        _ = url.port  # read here, since its error may show a password
    except ValueError:
        raise _unreadable(where) from None
    if url.fragment or _is_user_elsewhere(scheme, url):
        raise _unreadable(where)
    return check_arguments(where, _SCHEMES[scheme](where, url, alias.options))


def _is_user_elsewhere(scheme: str, url: SplitResult) -> bool:
    """Return whether a part of user and password may be in the path or the query.

    An unescaped ``/`` or ``?`` in them ends the network location too early. Errors must
    not show them.
    """
    if scheme in ("embedded", "fakeredis"):
        return False
    if "@" in url.query:
        return True
    if scheme == "unix":
        return bool(url.netloc) and not url.netloc.endswith("@")
    return "@" in url.path


def _unreadable(where: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"{where}['LOCATION'] is not a valid URL. Percent-encode special characters in "
        "the user, the password and the path, or move user and password to OPTIONS."
    )


def _of_server(where: str, url: SplitResult, options: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint of a redis, rediss or unix URL, or their valkey names."""
    scheme = url.scheme.replace("valkey", "redis")
    if scheme != "unix":
        _check_database(where, url.path)
    try:
        # Joined here: geturl() leaves out the // of a URL without a host.
        rest = f"{url.netloc}{url.path}?{url.query}"
        named = parse_url(f"{scheme}://{rest}")  # type: ignore[no-untyped-call]
    except ValueError as error:
        # redis-py's own words name the argument, not its value.
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] cannot be read: {error} Correct its query."
        ) from None
    if scheme != "unix":
        hosts.refuse_second_database(where, url.path.strip("/"), named)
    connection_class = named.pop("connection_class", Connection)
    if scheme == "unix" and not named.get("path"):
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] has no path. Write 'unix:///path/of/server.sock'."
        )
    fields = validate_options(where, connection_class, {**options, **named})
    return Endpoint(
        connection_class=connection_class,
        async_class=ASYNC_CLASSES[connection_class],
        safe_url=safe_url(connection_class, fields["arguments"]),
        **fields,
    )


def _of_embedded(where: str, url: SplitResult, options: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint of an embedded server's folder. It starts on connect."""
    folder = unquote(url.netloc + url.path)
    if not folder:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] has no folder. Write 'embedded:///path/of/a/folder'."
        )
    if url.netloc:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] names {folder!r}, which would be another folder in "
            "each working directory. Write 'embedded:///' and an absolute path."
        )
    given = {**options, **_database_in(where, url.query)}
    fields = validate_options(where, UnixDomainSocketConnection, given)
    fields["arguments"]["folder"] = folder
    return Endpoint(
        connection_class=EmbeddedConnection,
        async_class=AsyncEmbeddedConnection,
        safe_url=f"embedded://{folder}",
        **fields,
    )


def _of_fake(where: str, url: SplitResult, options: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint of ``fakeredis://[name][/database]``.

    There is one fake server for each name and process.
    """
    try:
        import fakeredis
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] is fakeredis://, which is not installed. "
            "Run pip install 'django-ormist[fakeredis]'."
        ) from error
    _check_database(where, url.path)
    number = url.path.strip("/")
    database = {"db": int(number)} if number else _database_in(where, url.query)
    fields = validate_options(where, Connection, {**options, **database})
    fields["arguments"]["server"] = _fake_servers.setdefault(
        url.netloc, fakeredis.FakeServer()
    )
    return Endpoint(
        connection_class=fakeredis.FakeRedisConnection,
        async_class=fakeredis.FakeAsyncRedisConnection,
        safe_url=f"fakeredis://{url.netloc.rpartition('@')[2]}{url.path}",
        **fields,
    )


def _check_database(where: str, path: str) -> None:
    if not re.fullmatch(r"/?|/\d+/?", path):
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] has the path {path!r}. "
            "Make it the number of a database, such as /0."
        )


def _database_in(where: str, query: str) -> dict[str, int]:
    """Return ``{"db": n}`` for the query ``?db=n``, and {} for an empty one."""
    found = parse_qs(query, keep_blank_values=True)
    number = found.pop("db", [""])[0]
    if found or (query and not number.isdecimal()):
        raise ImproperlyConfigured(
            f"{where}['LOCATION'] has a query that is not ?db=0. "
            "Move other options to OPTIONS."
        )
    return {"db": int(number)} if number else {}


def safe_url(connection_class: type[Any], arguments: Mapping[str, Any]) -> str:
    """Return the URL of a connection's server, without user and password."""
    database = arguments.get("db") or 0
    if "path" in arguments:
        return f"unix://{arguments['path']}?db={database}"
    scheme = "rediss" if issubclass(connection_class, SSLConnection) else "redis"
    host = arguments.get("host", "localhost")
    return f"{scheme}://{host}:{arguments.get('port', 6379)}/{database}"


_SCHEMES: Mapping[str, Callable[[str, SplitResult, Mapping[str, Any]], Endpoint]] = {
    "redis": _of_server,
    "rediss": _of_server,
    "unix": _of_server,
    "valkey": _of_server,
    "valkeys": _of_server,
    "embedded": _of_embedded,
    "fakeredis": _of_fake,
}
