"""docs/howto/async-views.rst: its views respond."""

import asyncio
from types import ModuleType

import pytest
from django.test import AsyncClient

from django_ormist.testing import assert_round_trips
from tests.docs.pages import run, use_site

TEMPLATES = {"devices.html": "{% for each in devices %}{{ each.name }} {% endfor %}"}


@pytest.fixture
def names(server, settings):
    """The names of the page; its views are those of the site."""
    urls = ModuleType("page")
    use_site(settings, urls, TEMPLATES)
    return run("howto/async-views", vars(urls))


def test_the_views_answer(names):
    Device = names["Device"]

    async def visit():
        client = AsyncClient()
        for name in ("phone", "tablet"):
            await Device.objects.acreate(owner=1, name=name)
        first = await Device.objects.afirst()
        response = await client.get("/1/")
        assert response.json() == {"devices": ["tablet", "phone"]}
        assert (await client.get("/1/page/")).content == b"phone tablet "
        assert (await client.get("/1/summary/")).json() == {"total": 2, "mine": 2}
        await client.get(f"/rename/{first.id}/", {"name": "old phone"})
        assert (await client.get(f"/ping/{first.id}/")).json() == {"pings": 1}
        assert (await client.get("/rename/none/", {"name": "x"})).status_code == 404
        await client.get("/1/to/2/")
        return await Device.objects.find(owner=2).values_list("name", flat=True).alist()

    assert asyncio.run(visit()) == ["old phone", "tablet"]


def test_a_template_iterates_over_an_evaluated_collection_without_a_round_trip(names):
    async def visit():
        with assert_round_trips(1):
            await AsyncClient().get("/1/page/")

    asyncio.run(visit())


def test_both_ways_to_save_are_overridden(names):
    async def stored():
        return (await names["Named"].objects.acreate(name=" x ")).name

    assert names["Named"].objects.create(name=" x ").name == "x"
    assert asyncio.run(stored()) == "x"
