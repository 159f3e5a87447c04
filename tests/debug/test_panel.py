"""The panel of django-debug-toolbar, in a request."""

import asyncio
import re
from pathlib import Path

import pytest

import django_ormist
from django_ormist.connections.inspection import locate
from django_ormist.operations.objects import SAVE
from django_ormist.operations.operation import Operation
from tests.models import Todo

pytest.importorskip("debug_toolbar")

from django_ormist.debug.panel import find_caller

pytestmark = pytest.mark.servers("valkey91", "valkey91-cluster")


@pytest.fixture
def site(server, settings):
    """A site with only our panel in the toolbar."""
    settings.DEBUG = True
    settings.ROOT_URLCONF = "tests.debug.urls"
    settings.STATIC_URL = "/static/"
    settings.INTERNAL_IPS = ["127.0.0.1"]
    apps = (*settings.INSTALLED_APPS, "django.contrib.staticfiles", "debug_toolbar")
    settings.INSTALLED_APPS = list(dict.fromkeys(apps))
    settings.MIDDLEWARE = ["debug_toolbar.middleware.DebugToolbarMiddleware"]
    settings.DEBUG_TOOLBAR_PANELS = ["django_ormist.debug.OrmistPanel"]
    settings.DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": lambda request: True}
    Todo.objects.create("known").save()  # the scripts are loaded
    Todo.objects.count()


def content(client, response):
    """Return the panel of a request, fetched as by the toolbar's script."""
    text = response.content.decode()
    assert "OrmistPanel" in text
    number = re.search(r'data-(?:request-id|store-id)="([^"]+)"', text)[1]
    return client.get(
        "/__debug__/render_panel/",
        {"request_id": number, "store_id": number, "panel_id": "OrmistPanel"},
    ).json()["content"]


def test_the_panel_shows_each_round_trip_of_the_request(site, client):
    response = client.get("/page/")
    assert "3 round trips in " in response.content.decode()
    shown = content(client, response)
    assert "3 round trips, 3 operations, " in shown
    for word in ("save", "count", "tests/debug/urls.py", "in page"):
        assert word in shown
    assert "Count the live objects" in shown  # the first line of count_terms.lua
    assert "t:&lt;b&gt;" in shown
    assert "t:<b>" not in shown


def test_the_panel_shows_the_round_trips_of_an_async_view(site, async_client):
    response = asyncio.run(async_client.get("/apage/"))
    assert "1 round trip in " in response.content.decode()


def test_a_folder_next_to_the_package_belongs_to_the_project():
    ours = str(Path(django_ormist.__file__).parent)
    source = "def ask(): return find_caller()"
    for folder, shown in ((f"{ours}_site", True), (f"{ours}/models", False)):
        names = {"find_caller": find_caller}
        exec(compile(source, f"{folder}/views.py", "exec"), names)
        assert names["ask"]().startswith(f"{folder}/views.py") == shown


def test_listening_ends_with_the_request(site, client):
    from django_ormist.connections import instrumentation

    client.get("/page/")
    assert instrumentation._listeners.get() == ()


def test_only_scripts_are_explained_by_their_header():
    from django_ormist.debug.panel import explain

    explained = explain(Operation(SAVE, ()))
    assert explained["does"].endswith(".")
    assert explained["cost"].startswith("O(")
    assert explain(Operation("GET", (b"a",))) == {}


@pytest.mark.servers("valkey91-cluster")
def test_the_panel_names_the_node_of_a_cluster(site, client):
    shown = content(client, client.get("/page/"))
    _, node = locate("default", Todo._meta.space("default").base)
    assert "3 round trips, 3 operations, " in shown
    assert shown.count(f"<br><code>{node}</code>") == 3
