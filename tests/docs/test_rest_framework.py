"""docs/howto/rest-framework.rst: its serializers, views and paginators work."""

from types import ModuleType

import pytest
from django.test import Client

from tests.docs.pages import run, use_site

pytestmark = pytest.mark.servers("valkey91", "fakeredis")


@pytest.fixture
def site(server, settings):
    """Settings for the views of the page; returns the module of its URLs."""
    urls = ModuleType("page")
    use_site(settings, urls, {})
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    }
    return urls


def test_the_code_of_the_page_works(site):
    run("howto/rest-framework", vars(site))
    assert Client().get("/orders/").status_code == 200


def test_what_needs_a_schema_says_what_to_write_instead(site):
    from rest_framework.filters import SearchFilter
    from rest_framework.serializers import ModelSerializer
    from rest_framework.test import APIRequestFactory

    names = run("howto/rest-framework", vars(site))

    class OrderSerializer(ModelSerializer):
        class Meta:
            model = names["Order"]
            fields = "__all__"

    with pytest.raises(AttributeError, match=r"django_ormist\.rest_framework"):
        _ = OrderSerializer().data

    class Searched(names["Orders"]):
        filter_backends = (SearchFilter,)
        search_fields = ("code",)

    view = Searched.as_view({"get": "list"})
    with pytest.raises(Exception, match="Order"):
        view(APIRequestFactory().get("/", {"search": "x"}))
