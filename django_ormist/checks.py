"""System checks of the settings and the models.

Only the checks that run with ``check --deploy`` open sockets. docs/reference/checks.rst
lists all of them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.cache import caches
from redis.exceptions import RedisError

from . import conf
from .connections import Connection, cache_pools, connections
from .connections.endpoints import database_ids
from .connections.executor import run
from .connections.explanations import sentinel_url
from .connections.inspection import Nodes, inspect_nodes
from .exceptions import ImproperlyConfigured
from .models import Model, registry
from .operations import move, stats

TAG = "ormist"
SESSION_ENGINE = "django_ormist.sessions"


def register() -> None:
    """Register the checks with ``manage.py check``. Called at startup."""
    for check in (check_aliases, check_models, check_caches):
        checks.register(check, TAG)
    for check in (check_servers, check_slots):
        checks.register(check, TAG, deploy=True)


# ---------------------------------------------------------------- the setting


def check_aliases(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return E001, E004, E005: faults of ORMIST, and of the caches that it names."""
    try:
        names = list(conf.get_setting())
    except ImproperlyConfigured as error:
        return [_error(str(error), "E001")]
    found = [_check_alias(name) for name in names]
    if "default" not in names and any(_alias_of(m) == "default" for m in _models()):
        found.append(
            _error(
                "ORMIST has no alias 'default', and models use it.",
                "E001",
                "Add it, or name another alias in each Meta.using.",
            )
        )
    return [each for each in found if each is not None]


def _check_alias(name: str) -> checks.CheckMessage | None:
    try:
        _ = connections[name].endpoint
        _check_test(name)
    except ImproperlyConfigured as error:
        text = str(error)
        if not text.startswith(f"ORMIST[{name!r}]['CACHE']"):
            return _error(text, "E001")
        return _error(text, "E005" if "decode_responses" in text else "E004")
    except Exception as error:  # a cache backend may raise anything
        return _error(f"ORMIST[{name!r}]: {error}", "E004")
    return None


def _check_test(name: str) -> None:
    """Raise ImproperlyConfigured if the LOCATION in TEST is invalid.

    Production does not need fakeredis, so it may be missing.
    """
    alias = conf.read_alias(name)
    if alias.test.location is None:
        return
    try:
        _ = Connection(alias.in_tests(alias.key_prefix)).endpoint
    except ImproperlyConfigured as error:
        if not isinstance(error.__cause__, ImportError):
            raise


# ---------------------------------------------------------------- models


def check_models(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return the faults of models: E002, E003, E006, E007, W004."""
    return [
        *_invalid_settings(),
        *_unknown_aliases(),
        *_shared_namespaces(),
        *_unresolved(),
        *_half_overridden(),
    ]


def _invalid_settings() -> Iterator[checks.CheckMessage]:
    """Yield E006 for models whose alias comes from a setting, if that is invalid."""
    for model in _models():
        try:
            _ = model._meta.using
        except ImproperlyConfigured as error:
            yield _error(str(error), "E006", obj=model)


def _unknown_aliases() -> Iterator[checks.CheckMessage]:
    try:
        names = list(conf.get_setting())
    except ImproperlyConfigured:
        return
    for model in _models():
        using = _alias_of(model)
        if using is not None and using not in names and using != "default":
            yield _error(
                f"{model._meta.label} uses the alias {using!r}, missing in ORMIST.",
                "E002",
                f"Add it to ORMIST, or change {model.__name__}.Meta.using to one of: "
                f"{', '.join(map(str, names))}.",
                model,
            )


def _unresolved() -> Iterator[checks.CheckMessage]:
    """Yield E007 for declared attributes whose annotation cannot be resolved."""
    for model in _models():
        for field in model._meta.fields:
            try:
                _ = field.type
            except TypeError as error:
                yield _error(str(error), "E007", obj=model)


def _shared_namespaces() -> Iterator[checks.CheckMessage]:
    owners: dict[Any, type[Model]] = {}
    for model in _models():
        space = (_identify_space(_alias_of(model)), model._meta.label)
        owner = owners.setdefault(space, model)
        if _full_name(owner) != _full_name(model):  # not the same one, reloaded
            effect = "they share every key"
            if owner._meta.slot != model._meta.slot:
                effect = "commands find only the latter"
            yield _error(
                f"{_full_name(owner)} and {_full_name(model)} are both "
                f"{model._meta.label}: {effect}.",
                "E003",
                "Give one of them another Meta.model_name or Meta.app_label.",
                model,
            )


def _half_overridden() -> Iterator[checks.CheckMessage]:
    """Yield W004 for models that override a method and not its async variant."""
    names = [name for name in vars(Model) if hasattr(Model, f"a{name}")]
    for model in _models():
        for name in names:
            pair = (name, f"a{name}")
            own = [n for n in pair if getattr(model, n) is not getattr(Model, n)]
            if len(own) == 1:
                (other,) = set(pair) - set(own)
                yield checks.Warning(
                    f"{model._meta.label} overrides {own[0]}() and not {other}(), "
                    "which does not call it.",
                    hint=f"Override {other}() too. If it is never called, silence "
                    "ormist.W004.",
                    obj=model,
                    id="ormist.W004",
                )


def _identify_space(using: str | None) -> Any:
    """Return the server, database and prefix of an alias, or *using* if invalid."""
    try:
        connection = connections[using or "default"]
        return (connection.endpoint.key, connection.key_prefix)
    except Exception:  # check_aliases reports it
        return using


def _full_name(model: type[Model]) -> str:
    return f"{model.__module__}.{model.__qualname__}"


# ---------------------------------------------------------------- caches


def check_caches(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return W001: a cache in the same database, whose clear() is FLUSHDB."""
    found: list[checks.CheckMessage] = []
    for name in _valid_aliases():
        ours = database_ids(connections[name].endpoint)
        sharing = [each for each in settings.CACHES if _cache_database_ids(each) & ours]
        if sharing:
            found.append(
                checks.Warning(
                    f"ORMIST[{name!r}] is in the database of the cache "
                    f"{', '.join(map(repr, sharing))}, whose clear() removes "
                    "everything in it (FLUSHDB).",
                    hint="Give one of them its own database. If clear() is never "
                    "called, silence ormist.W001.",
                    id="ormist.W001",
                )
            )
    return found


def _cache_database_ids(name: str) -> set[tuple[Any, ...]]:
    try:
        _ = caches[name]
        return database_ids(cache_pools.endpoint(conf.Alias(name, cache=name)))
    except Exception:  # not a Redis cache, or an invalid one, which Django reports
        return set()


# ---------------------------------------------------------------- servers (--deploy)


def check_servers(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return W002, W003, W005, W006, W008: problems of servers.

    One round trip for each server, two for each node of a Cluster or behind Sentinel.
    """
    found: list[checks.CheckMessage] = []
    for name in _valid_aliases():
        endpoint = connections[name].endpoint
        if endpoint.safe_url.startswith("fakeredis:"):
            continue
        try:
            if endpoint.nodes is None:
                infos = {"": run(stats.server_info(), name)}
            else:
                nodes = inspect_nodes(name)
                found.extend(_silent_nodes(name, nodes))
                infos = {each.address: each.info for each in nodes.nodes if each.info}
        except ImproperlyConfigured as error:  # it says what to correct
            text = f"The server of ORMIST[{name!r}] at {endpoint.safe_url} is not used:"
            found.append(checks.Warning(f"{text} {error}", id="ormist.W003"))
            continue
        except RedisError as error:
            found.append(_silent_warning(name, f"at {endpoint.safe_url}", error))
            continue
        found.extend(_product_warnings(name, infos))
        found.extend(_kind_warnings(name, infos))
        if name == _session_alias():
            found.extend(_eviction_warnings(name, infos))
    return found


def _silent_nodes(name: str, nodes: Nodes) -> Iterator[checks.CheckMessage]:
    """Yield W003 for each node, and each sentinel, without an answer."""
    for node in nodes.nodes:
        if node.error or not node.info:
            where = f"at {node.address}, one of its nodes,"
            yield _silent_warning(name, where, node.error or "INFO is refused.")
    for each in nodes.sentinels:
        if each.error:
            where = f"at {each.address}, one of its sentinels,"
            yield _silent_warning(name, where, each.error)


def _silent_warning(name: str, where: str, error: object) -> checks.CheckMessage:
    return checks.Warning(
        f"The server of ORMIST[{name!r}] {where} does not answer: {error}",
        hint="Start it, correct LOCATION, or allow INFO to this user.",
        id="ormist.W003",
    )


def _eviction_warnings(
    name: str, infos: Mapping[str, Mapping[str, str]]
) -> Iterator[checks.CheckMessage]:
    """Yield W002 if a server of the sessions evicts any key."""
    evicting = {
        address: policy
        for address, info in infos.items()
        if (policy := info.get("maxmemory_policy", "")).startswith("allkeys-")
    }
    if evicting:
        policies = ", ".join(sorted(set(evicting.values())))
        yield checks.Warning(
            f"Sessions are in ORMIST[{name!r}], whose server{_at(evicting)} evicts any "
            f"key when its memory is full (maxmemory-policy {policies}): users are "
            "signed out.",
            hint="Use a server with noeviction or a volatile- policy.",
            id="ormist.W002",
        )


def _at(addresses: Iterable[str]) -> str:
    """Return " at ..." with the addresses of nodes, "" for the only server."""
    known = [each for each in addresses if each]
    return f" at {', '.join(known)}" if known else ""


def check_slots(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return W007: objects that are not in the slot of Meta.slot.

    One round trip for each model, if a model has a slot.
    """
    found: list[checks.CheckMessage] = []
    slots, aliases = registry.slots(), _valid_aliases()
    for model in registry.all_models():
        using, meta = _alias_of(model), model._meta
        if not slots or using not in aliases:
            continue
        try:
            elsewhere = run(move.count_elsewhere(meta.space(using), slots), using)
        except RedisError:
            continue  # W003
        for former, number in elsewhere.items():
            found.append(
                checks.Warning(
                    f"{meta.label} has objects ({number}) under {former.name} of "
                    f"ORMIST[{using!r}], where it does not look.",
                    hint=f"Set {model.__name__}.Meta.slot back, or move them with "
                    f"ormist_reindex {meta.label} --move.",
                    obj=model,
                    id="ormist.W007",
                )
            )
    return found


def _product_warnings(
    name: str, infos: Mapping[str, Mapping[str, str]]
) -> Iterator[checks.CheckMessage]:
    """Yield W005: not Redis or Valkey."""
    by_product: dict[str | None, list[str]] = {}
    for address, info in infos.items():
        by_product.setdefault(stats.product_of(info), []).append(address)
    for product in stats.DIFFERING.keys() & by_product.keys():
        where = _at(by_product[product])
        yield checks.Warning(
            f"The server of ORMIST[{name!r}]{where} is {product}, which django_ormist "
            f"is not tested on: {stats.DIFFERING[product]}.",
            hint='Read the page "Managed services and ACLs" of the manual, and run '
            "ormist_inspect --verify on your own data before you rely on it.",
            id="ormist.W005",
        )


def _kind_warnings(
    name: str, infos: Mapping[str, Mapping[str, str]]
) -> Iterator[checks.CheckMessage]:
    """Yield W006, W008: LOCATION names a node of a Cluster, a sentinel, a replica."""
    connection = connections[name]
    if connection.endpoint.nodes is not None:
        return
    facts = stats.server_facts(infos[""])
    if facts["mode"] == "sentinel":
        yield checks.Warning(
            f"The server of ORMIST[{name!r}] is a sentinel, which stores no objects.",
            hint=f"Write {sentinel_url(connection.endpoint)!r} in LOCATION.",
            id="ormist.W008",
        )
    elif facts["mode"] == "cluster":
        yield checks.Warning(
            f"The server of ORMIST[{name!r}] is a node of a Cluster. Models whose keys "
            "are on another node raise NotSupportedError.",
            hint=f"Name the Cluster in LOCATION: {connection.cluster_url!r}.",
            id="ormist.W006",
        )
    elif facts["role"] == "replica":
        yield checks.Warning(
            f"The server of ORMIST[{name!r}] is a replica, which refuses writes.",
            hint="Name its primary in LOCATION, or let sentinels find it: "
            "redis+sentinel://host:port/service/0.",
            id="ormist.W008",
        )


def _session_alias() -> str | None:
    if settings.SESSION_ENGINE != SESSION_ENGINE:
        return None
    try:
        return _alias_of(registry.get_model("django_ormist.Session"))
    except LookupError:
        return None


# ---------------------------------------------------------------- shared helpers


def _valid_aliases() -> list[str]:
    """Return the aliases that have no error."""
    try:
        return [name for name in conf.get_setting() if _check_alias(name) is None]
    except ImproperlyConfigured:
        return []


def _models() -> list[type[Model]]:
    return registry.declared_models()


def _alias_of(model: type[Model]) -> str | None:
    """Return the alias of a model, or None if its setting is invalid: see E006."""
    try:
        return model._meta.using
    except ImproperlyConfigured:
        return None


def _error(
    text: str, number: str, hint: str | None = None, obj: Any = None
) -> checks.CheckMessage:
    return checks.Error(text, hint=hint, obj=obj, id=f"ormist.{number}")
