"""howto/read-from-replicas.rst: its settings are valid, and its code runs."""

from types import SimpleNamespace

import pytest

from django_ormist import conf
from django_ormist.connections import urls
from tests import sentinels
from tests.docs.pages import blocks
from tests.servers import find

PAGE = "howto/read-from-replicas"


def test_the_settings_are_valid():
    exec(blocks(PAGE)[0], names := {})
    endpoint = urls.endpoint(conf.read_alias("default", names["ORMIST"]))
    assert endpoint.sentinels.read_from == "replicas"


@pytest.mark.skipif(not find("valkey91"), reason="needs valkey91")
def test_the_code_runs(settings):
    made = sentinels.shared()
    options = {"read_from": "replicas"}
    settings.ORMIST = {"default": {"LOCATION": made.url, "OPTIONS": options}}
    scope = {"__name__": "howto_replicas"}
    for code in blocks(PAGE)[1:]:
        exec(code, scope)
    request = SimpleNamespace(session={})
    scope["checkout"](request)
    assert request.session["written"].startswith("default:")
    assert scope["overview"](request) == 2
    made.flush()
