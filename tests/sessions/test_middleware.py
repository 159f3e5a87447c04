"""The middleware: Django's own behaviour, the device, and an outage."""

import datetime as dt
import inspect

import pytest
import redis
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.test import AsyncClient, Client

from django_ormist import ImproperlyConfigured
from django_ormist.sessions import Session, SessionStore, private_id
from django_ormist.sessions.devices import client_address, device_name
from django_ormist.sessions.middleware import SessionMiddleware

pytestmark = pytest.mark.servers("valkey91", "redis62", "fakeredis")

COOKIE = "sessionid"
LOGGER = "django_ormist.sessions"


class Browser:
    """A test client through WSGI or ASGI, with one interface."""

    def __init__(self, is_async, **defaults):
        self.client = (AsyncClient if is_async else Client)(
            raise_request_exception=False, **defaults
        )
        self.is_async = is_async

    def get(self, path, **headers):
        """Return the response; headers as ``user_agent="x"``."""
        # Not asyncio.run(): sync views then run in this thread, as the database wants.
        get = async_to_sync(self.client.get) if self.is_async else self.client.get
        return get(path, headers=headers)

    @property
    def key(self):
        return self.client.cookies[COOKIE].value

    def stored(self):
        """Return the session as it is stored, or None."""
        return Session.objects.get_or_none(private_id(self.key))


@pytest.fixture(params=["wsgi", "asgi"])
def browser(request, site):
    return Browser(request.param == "asgi")


def path(browser, name, query=""):
    """Return the path of the sync view for WSGI, and of the async one for ASGI."""
    return f"/{'a' if browser.is_async else ''}{name}/{query}"


def test_a_session_is_kept_by_its_cookie(browser, is_sound):
    response = browser.get(path(browser, "put", "?a=1"))
    assert response.status_code == 200
    assert response["Vary"] == "Cookie"
    assert browser.get(path(browser, "show")).json() == {"data": {"a": "1"}, "user": ""}
    assert is_sound()


def test_a_request_that_ignores_its_session_takes_no_round_trip(browser):
    browser.get(path(browser, "put", "?a=1"))
    response = browser.get("/untouched/")
    assert COOKIE not in response.cookies
    assert not response.has_header("Vary")


def test_an_unknown_key_loses_its_cookie_and_stores_nothing(browser, server):
    browser.client.cookies[COOKIE] = "an-unknown-key"
    response = browser.get(path(browser, "show"))
    assert response.cookies[COOKIE].value == ""
    assert server.keys() == []


def test_a_failing_view_does_not_save(browser):
    browser.get(path(browser, "put", "?a=1"))
    assert browser.get("/fail/").status_code == 500
    assert browser.stored().data() == {"a": "1"}


def test_a_session_that_ended_meanwhile_answers_400(browser, monkeypatch):
    browser.get(path(browser, "put", "?a=1"))
    real = SessionStore._is_cleared

    def ended(request):
        request.session["b"] = real
        Session.objects.all().delete()
        from django.http import HttpResponse

        return HttpResponse("done")

    from tests.sessions import site

    monkeypatch.setattr(site.urlpatterns[2], "callback", ended)
    assert browser.get("/untouched/").status_code == 400
    assert Session.objects.count() == 0


def test_save_every_request_extends_the_session(browser, settings):
    browser.get(path(browser, "put", "?a=1"))
    settings.SESSION_SAVE_EVERY_REQUEST = True
    settings.SESSION_COOKIE_AGE = 3 * 1209600
    response = browser.get("/untouched/")
    assert response.cookies[COOKIE]["max-age"] == 3 * 1209600
    assert browser.stored().ttl() > 1209600
    assert browser.stored().data() == {"a": "1"}


# ---------------------------------------------------------------- the device


def test_the_device_is_saved_with_the_session(browser, is_sound):
    browser.get(path(browser, "put", "?a=1"), user_agent="Agent/1")
    stored = browser.stored()
    assert (stored.address, stored.agent) == ("127.0.0.1", "Agent/1")
    assert dt.datetime.now(dt.UTC) - stored.seen < dt.timedelta(minutes=1)
    assert stored.data() == {"a": "1"}
    assert is_sound()


def test_the_device_is_recorded_once_per_interval(browser, settings):
    browser.get(path(browser, "put", "?a=1"), user_agent="Agent/1")
    first = browser.stored()
    browser.get(path(browser, "show"), user_agent="Agent/2")
    browser.get(path(browser, "put", "?b=1"), user_agent="Agent/2")
    assert browser.stored().agent == "Agent/1"
    assert browser.stored().seen == first.seen
    settings.ORMIST_SESSIONS = {"ACTIVITY_INTERVAL": 0}
    browser.get("/untouched/", user_agent="Agent/3")
    assert browser.stored().agent == "Agent/1"  # its session was not looked at
    browser.get(path(browser, "show"), user_agent="Agent/3")
    assert browser.stored().agent == "Agent/3"
    assert browser.stored().seen >= first.seen


def test_recording_does_not_extend_the_session_or_set_a_cookie(browser, settings):
    browser.get(path(browser, "put", "?a=1"))
    before = browser.stored()
    settings.ORMIST_SESSIONS = {"ACTIVITY_INTERVAL": 0}
    response = browser.get(path(browser, "show"))
    assert COOKIE not in response.cookies
    assert browser.stored().expire == before.expire
    assert browser.stored().data() == {"a": "1"}


def test_recording_does_not_save_changes_of_the_view(browser, settings):
    settings.ORMIST_SESSIONS = {"ACTIVITY_INTERVAL": 0}
    browser.get(path(browser, "put", "?a=1"))
    browser.get("/fail/", user_agent="Agent/9")
    assert browser.stored().data() == {"a": "1"}
    assert browser.stored().agent == "Agent/9"


def test_a_login_keeps_the_device(browser, ann):
    browser.get("/untouched/")
    browser.get(path(browser, "put", "?a=1"), user_agent="Agent/1")
    browser.get("/in/?name=ann", user_agent="Agent/1")
    (session,) = Session.objects.find(user_id=ann.pk)
    assert session.agent == "Agent/1"
    assert Session.objects.count() == 1


@pytest.mark.parametrize(
    ("proxies", "meta", "address"),
    [
        (0, {"REMOTE_ADDR": "192.0.2.1"}, "192.0.2.1"),
        (0, {"REMOTE_ADDR": "192.0.2.1", "XFF": "6.6.6.6"}, "192.0.2.1"),
        (1, {"REMOTE_ADDR": "10.0.0.1", "XFF": "6.6.6.6, 192.0.2.1"}, "192.0.2.1"),
        (
            2,
            {"REMOTE_ADDR": "10.0.0.1", "XFF": "6.6.6.6,192.0.2.1, 10.0.0.2"},
            "192.0.2.1",
        ),
        (2, {"REMOTE_ADDR": "10.0.0.1", "XFF": "192.0.2.1"}, "192.0.2.1"),
        (1, {"REMOTE_ADDR": "10.0.0.1", "XFF": "192.0.2.1:4711"}, "192.0.2.1"),
        (1, {"REMOTE_ADDR": "10.0.0.1", "XFF": "[2001:DB8::1]:80"}, "2001:db8::1"),
        (1, {"REMOTE_ADDR": "10.0.0.1", "XFF": "<script>"}, None),
        (1, {"REMOTE_ADDR": "10.0.0.1"}, None),
        (0, {"REMOTE_ADDR": ""}, None),  # a unix socket
    ],
)
def test_the_address_is_trusted_only_from_configured_proxies(proxies, meta, address):
    if "XFF" in meta:
        meta["HTTP_X_FORWARDED_FOR"] = meta.pop("XFF")
    assert client_address(meta, proxies) == address


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
            "Gecko) Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1 "
            "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like "
            "Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.1 Safari/605.1.15",
            "Safari on macOS",
        ),
        ("curl/8.5.0", "curl"),
        ("", ""),
        (None, ""),
        ("<script>alert(1)</script>", ""),
    ],
)
def test_a_user_agent_has_a_readable_name(agent, name):
    assert device_name(agent) == name


def test_a_long_user_agent_is_truncated(browser):
    browser.get(path(browser, "put", "?a=1"), user_agent="x" * 5000)
    assert len(browser.stored().agent) == 400


def test_the_middleware_is_natively_sync_and_async(server):
    async def respond(request):
        raise AssertionError

    assert inspect.iscoroutinefunction(SessionMiddleware.__acall__)
    assert SessionMiddleware(respond).async_mode
    assert not SessionMiddleware(lambda request: None).async_mode
    assert SessionMiddleware.sync_capable
    assert SessionMiddleware.async_capable


def test_the_middleware_refuses_another_engine(settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    with pytest.raises(ImproperlyConfigured, match="Set it to 'django_ormist"):
        SessionMiddleware(lambda request: None)


# ---------------------------------------------------------------- an outage


@pytest.fixture
def fragile(start_server, server):
    """A private server, with the alias on it."""
    if server.variant.is_fake:
        pytest.skip("fakeredis does not go away")
    own = start_server(server, "--appendonly", "yes", "--appendfsync", "always")
    server.connect(own.unix_url)
    return own


@pytest.mark.servers("valkey91")
@pytest.mark.parametrize(
    ("options", "status"),
    [({}, 500), ({"OUTAGE_STATUS": 500}, 500), ({"OUTAGE_STATUS": 503}, 503)],
)
@pytest.mark.parametrize("saves_always", [False, True])
def test_an_outage_is_an_error_and_not_a_logout(
    fragile, browser, ann, settings, options, status, saves_always
):
    settings.ORMIST_SESSIONS = options
    browser.get("/in/?name=ann")
    key = browser.key
    settings.SESSION_SAVE_EVERY_REQUEST = saves_always
    fragile.kill()
    for name in (path(browser, "show"), path(browser, "put", "?a=1")):
        response = browser.get(name)
        assert response.status_code == status
        assert COOKIE not in response.cookies
        assert response.has_header("Retry-After") == (status == 503)
    response = browser.get("/untouched/")
    assert response.status_code == (status if saves_always else 200)
    assert COOKIE not in response.cookies
    fragile.start()
    assert browser.get(path(browser, "show")).json()["user"] == "ann"
    assert browser.key == key


@pytest.mark.servers("valkey91")
def test_an_outage_while_saving_is_an_error(
    fragile, browser, settings, monkeypatch, caplog
):
    settings.ORMIST_SESSIONS = {"OUTAGE_STATUS": 503}
    browser.get(path(browser, "put", "?a=1"))
    from tests.sessions import site

    def killed(request):
        request.session["b"] = 2
        fragile.kill()
        return site.HttpResponse("done")

    monkeypatch.setattr(site.urlpatterns[2], "callback", killed)
    assert browser.get("/untouched/").status_code == 503
    (record,) = [each for each in caplog.records if each.name == LOGGER]
    assert record.levelname == "ERROR"
    assert "'/untouched/'" in record.getMessage()
    assert issubclass(record.exc_info[0], redis.ConnectionError)


def test_an_error_of_the_view_stays_an_error(browser, settings):
    settings.ORMIST_SESSIONS = {"OUTAGE_STATUS": 503}
    assert browser.get("/fail/").status_code == 500


def test_djangos_own_middleware_works_as_well(browser, ann, settings):
    own = django_settings.MIDDLEWARE[1:]
    settings.MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware", *own]
    browser = Browser(browser.is_async)
    browser.get("/in/?name=ann")
    assert browser.get("/ashow/").json()["user"] == "ann"
