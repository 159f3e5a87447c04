"""howto/sentinel.rst: its settings are valid, its ACL line is enough, no more."""

import re

import pytest

from django_ormist import conf
from django_ormist.connections import cache_pools, connections, urls
from django_ormist.exceptions import ImproperlyConfigured
from django_ormist.operations.operation import Operation
from tests.docs.pages import DOCS, blocks
from tests.sentinels import SERVICE, Sentinel, wait_until
from tests.servers import find

PING = [Operation("PING", keys=())]


def test_the_settings_are_valid(settings):
    found = blocks("howto/sentinel")
    assert len(found) == 3
    for code in found:
        exec(code, names := {})
        settings.CACHES = names.get("CACHES", settings.CACHES)
        alias = conf.read_alias("default", names["ORMIST"])
        endpoint = (cache_pools if alias.cache else urls).endpoint(alias)
        assert endpoint.sentinels.service == "mymaster"
        assert len(endpoint.sentinels.endpoints) == 3


@pytest.mark.skipif(not find("valkey91"), reason="needs valkey91")
def test_the_acl_line_of_sentinels_allows_what_is_used_and_no_more(
    start_server, settings
):
    page = (DOCS / "howto" / "sentinel.rst").read_text()
    (line,) = re.findall(r"ACL (SETUSER app .*?)\n\n", page, re.DOTALL)
    sentinel = Sentinel("valkey91", start_server().port)
    sentinel.start()
    try:
        wait_until(lambda: sentinel.ask("MASTERS"), "The sentinel answers")
        for service in (SERVICE, "unknown"):
            settings.ORMIST = {
                "default": {
                    "LOCATION": f"redis+sentinel://127.0.0.1:{sentinel.port}/{service}",
                    "OPTIONS": {
                        "read_from": "replicas",
                        "sentinel_kwargs": {
                            "username": "app",
                            "password": "secret",
                            "protocol": 3,
                            "health_check_interval": 1,
                        },
                    },
                }
            }
            with sentinel.client() as client:
                client.execute_command("ACL", *line.split())
                if service == SERVICE:
                    assert connections["default"].send(PING) == [b"PONG"]
                else:
                    with pytest.raises(ImproperlyConfigured, match=f"'{SERVICE}'"):
                        connections["default"].send(PING)
                denied = {entry["object"] for entry in client.acl_log()}
                assert denied <= {"client|setinfo"}
    finally:
        sentinel.stop()
