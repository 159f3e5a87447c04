"""The overview page: the stored data of each model, and its servers.

A site gets it with the first registered model of django_ormist. It is a proxy model of
its own, with a link on the index page and the permission view_overview.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from redis.exceptions import RedisError, ResponseError

from ..connections import connections
from ..connections.executor import run
from ..connections.inspection import Nodes, inspect_nodes, locate
from ..operations import stats
from .options import OrmistAdmin
from .proxies import APP_LABEL

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
    AnyManager = models.Manager[Any]
else:
    AnyAdmin, AnyManager = admin.ModelAdmin, models.Manager

_proxies: list[type[models.Model]] = []


class NoRows(AnyManager):
    """A manager without a table."""

    def get_queryset(self) -> Any:
        return super().get_queryset().none()


@dataclass(frozen=True)
class ModelLine:
    """One model. error: why the counts are missing. size_bytes: None if unknown.

    node: the address of the node that has it, in a Cluster.
    """

    label: str
    url: str
    using: str
    counts: stats.ModelCounts | None = None
    size_bytes: int | None = None
    unreadable: int = 0
    error: str = ""
    node: str = ""


@dataclass(frozen=True)
class ServerLine:
    """One alias. facts: pairs of a name and a value as text, of all its primaries."""

    using: str
    location: str
    facts: list[tuple[Any, Any]]
    nodes: Nodes = field(default_factory=lambda: Nodes([]))
    error: str = ""


class OverviewAdmin(AnyAdmin):
    """The overview, which is read-only."""

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> Any:
        """Return the URL of the list only."""
        return super().get_urls()[:1]

    def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shown = [
            each
            for each in self.admin_site._registry.values()
            if isinstance(each, OrmistAdmin) and each.has_view_permission(request)
        ]
        used = {alias_of(each) for each in shown}
        servers = {using: describe_server(using) for using in sorted(used)}
        lines = [describe_model(each, servers[alias_of(each)].nodes) for each in shown]
        lines.sort(key=lambda each: each.label)
        request.current_app = self.admin_site.name
        context = {
            **self.admin_site.each_context(request),
            "title": _("Overview"),
            "opts": self.opts,
            "lines": lines,
            "has_nodes": any(each.node for each in lines),
            "servers": list(servers.values()),
            "media": self.media,
        }
        return TemplateResponse(request, "django_ormist/admin/overview.html", context)


def alias_of(model_admin: OrmistAdmin) -> str:
    """Return the alias of an admin's model."""
    using: str = model_admin.model.ormist_model._default_manager.all().db
    return using


def describe_model(model_admin: OrmistAdmin, nodes: Nodes) -> ModelLine:
    """Return the facts of one model. Six round trips.

    nodes: those of its alias. A model on a node that did not reply is not counted.
    """
    model, opts = model_admin.model.ormist_model, model_admin.opts
    using = alias_of(model_admin)
    url = reverse(
        f"admin:{opts.app_label}_{opts.model_name}_changelist",
        current_app=model_admin.admin_site.name,
    )
    meta = model._meta
    space = meta.space(using)
    place = locate(using, space.base)
    address = "" if place is None else place[1]
    node = nodes.find(address)
    if node is not None and node.error:
        return ModelLine(meta.label, url, using, error=node.error, node=address)
    try:
        counts = run(stats.model_counts(space), using)
        seen = run(stats.sample(space, meta.indexes), using)
        flow = stats.size_bytes(meta.schema(using), seen)
        try:
            size = run(flow, using)
        except ResponseError:  # no MEMORY USAGE there, or not for this user
            size = None
    except RedisError as error:
        return ModelLine(meta.label, url, using, error=str(error), node=address)
    unreadable = len(seen.unreadable)
    return ModelLine(meta.label, url, using, counts, size, unreadable, node=address)


def describe_server(using: str) -> ServerLine:
    """Return the facts of the servers of an alias. Two round trips to each at most."""
    location = connections[using].endpoint.safe_url
    try:
        nodes = inspect_nodes(using)
    except RedisError as error:
        return ServerLine(using, location, [], error=str(error))
    known = [stats.server_facts(node.info) for node in nodes.main if node.info]
    if not known:
        why = next((node.error for node in nodes.main if node.error), None)
        why = why or _("The server does not allow INFO to this user.")
        return ServerLine(using, location, [], nodes, why)
    facts = stats.merge_facts(known)
    if connections[using].is_cluster:
        facts["role"] = None  # each node has its own
    return ServerLine(using, location, list(format_facts(facts)), nodes)


def format_facts(facts: dict[str, Any]) -> Iterable[tuple[Any, Any]]:
    """Yield the known facts as pairs of texts."""
    memory, persistence = facts["memory"], facts["persistence"]
    pairs = [
        (_("server"), " ".join(filter(None, (facts["product"], facts["version"])))),
        (_("mode"), facts["mode"]),
        (_("role"), facts["role"]),
        (_("replicas"), facts["replicas"]),
        (_("memory in use"), _format_size(memory["used_bytes"])),
        (_("memory limit"), _format_size(memory["limit_bytes"]) or _("none")),
        (_("when memory is full"), memory["eviction_policy"]),
        (_("append-only file"), _format_flag(persistence["append_only"])),
        (_("last snapshot"), persistence["last_snapshot_status"]),
    ]
    return ((name, value) for name, value in pairs if value not in (None, ""))


def _format_size(number: int | None) -> str:
    from django.template.defaultfilters import filesizeformat

    return filesizeformat(number) if number else ""


def _format_flag(value: bool | None) -> Any:
    return None if value is None else _("on") if value else _("off")


def overview_model() -> type[models.Model]:
    """Return the proxy model of the page. It is created at the first call."""
    if not _proxies:
        meta = type(
            "Meta",
            (),
            {
                "app_label": APP_LABEL,
                "managed": False,
                "auto_created": True,  # see proxies.py
                "base_manager_name": "objects",
                "default_permissions": ("view",),
                "verbose_name": gettext_lazy("overview"),
                "verbose_name_plural": gettext_lazy("overview"),
            },
        )
        body = {
            "__module__": __name__,
            "Meta": meta,
            "objects": NoRows(),
            "id": models.CharField(max_length=1, primary_key=True),
        }
        _proxies.append(type("Overview", (models.Model,), body))
    return _proxies[0]


def add_overview(site: admin.AdminSite) -> None:
    """Add the overview page to a site, once."""
    proxy = overview_model()
    if not site.is_registered(proxy):
        site.register(proxy, OverviewAdmin)
