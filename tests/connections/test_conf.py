"""The setting ORMIST: errors name the fault and suggest a fix."""

import pytest
from django.core.exceptions import ImproperlyConfigured as DjangoImproperlyConfigured

from django_ormist import conf
from django_ormist.connections import connections
from django_ormist.exceptions import ImproperlyConfigured

REDIS = "redis://localhost:6379/0"


def test_a_missing_setting_is_localhost(settings):
    del settings.ORMIST
    assert list(conf.get_setting()) == ["default"]
    assert conf.read_alias("default") == conf.Alias("default", location=REDIS)


def test_every_key_is_read(settings):
    settings.ORMIST = {
        "a": {"LOCATION": REDIS, "KEY_PREFIX": "my prefix", "CODEC": "json"},
        "b": {"CACHE": "default"},
        "c": {"LOCATION": REDIS, "OPTIONS": {"socket_timeout": 3}},
    }
    a, b, c = map(conf.read_alias, "abc")
    assert (a.name, a.location, a.key_prefix, a.codec) == (
        "a",
        REDIS,
        "my prefix",
        "json",
    )
    assert (b.location, b.cache, b.key_prefix, b.codec) == (
        None,
        "default",
        "ormist",
        "msgpack",
    )
    assert dict(c.options) == {"socket_timeout": 3}


def test_several_urls_are_read(settings):
    settings.ORMIST = {"a": {"LOCATION": ["redis+sentinel://h/m"]}, "b": {"CACHE": "c"}}
    assert conf.read_alias("a").locations == ("redis+sentinel://h/m",)
    assert conf.read_alias("b").locations == ()


def test_in_tests_the_key_test_overrides_the_alias(settings):
    test = {"LOCATION": "unix:///test", "OPTIONS": {"db": 3}, "KEY_PREFIX": "t"}
    options = {"password": "x"}
    settings.ORMIST = {
        "a": {"LOCATION": REDIS, "CODEC": "json", "OPTIONS": options, "TEST": test},
        "b": {"CACHE": "default", "TEST": {"LOCATION": REDIS}},
        "c": {"LOCATION": REDIS, "OPTIONS": options},
    }
    a, b, c = (conf.read_alias(name).in_tests("x") for name in "abc")
    assert (a.location, dict(a.options), a.codec) == ("unix:///test", {"db": 3}, "json")
    assert (b.location, b.cache, dict(b.options)) == (REDIS, None, {})
    assert (c.location, dict(c.options)) == (REDIS, options)
    assert {a.key_prefix, b.key_prefix, c.key_prefix} == {"x"}
    assert (a.where, c.where) == ("ORMIST['a']['TEST']", "ORMIST['c']")


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        (None, ["a dict with LOCATION"]),
        ({}, ["neither LOCATION nor CACHE"]),
        ({"LOCATION": REDIS, "CACHE": "default"}, ["both LOCATION and CACHE"]),
        ({"LOCATION": ""}, ["'LOCATION'", "redis://localhost:6379/0"]),
        ({"LOCATION": []}, ["'LOCATION'", "a list that is empty"]),
        ({"LOCATION": (REDIS, None)}, ["'LOCATION'", "tuple", "other than URLs"]),
        ({"CACHE": None}, ["'CACHE'", "NoneType"]),
        ({"LOCATION": REDIS, "PREFIX": "x"}, ["'PREFIX'", "KEY_PREFIX"]),
        ({"LOCATION": REDIS, "socket_timeout": 1}, ["'socket_timeout'", "OPTIONS"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": ""}, ["'KEY_PREFIX'", "not empty"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": b"x"}, ["'KEY_PREFIX'", "str"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": "a{b"}, ["'KEY_PREFIX'", "'{'"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": "a}b"}, ["'KEY_PREFIX'", "'}'"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": "a\nb"}, ["'KEY_PREFIX'", r"'\n'"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": "a\x7fb"}, ["'KEY_PREFIX'", r"'\x7f'"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": "a\ud800"}, ["'KEY_PREFIX'", r"\ud800"]),
        ({"LOCATION": REDIS, "KEY_PREFIX": "a:lost"}, ["'a:lost'", "repair of 'a'"]),
        ({"LOCATION": REDIS, "CODEC": "pickle"}, ["'CODEC'", "msgpack, json"]),
        ({"LOCATION": REDIS, "CODEC": ["json"]}, ["'CODEC'", "msgpack, json"]),
        ({"LOCATION": REDIS, "OPTIONS": []}, ["'OPTIONS'", "dict"]),
        (
            {"CACHE": "c", "OPTIONS": {"db": 1, "patience": 5}},
            ["both OPTIONS and CACHE", "CACHES['c']"],
        ),
        ({"CACHE": "c", "TEST": None}, ["'TEST'", "NoneType", "a dict"]),
        ({"CACHE": "c", "TEST": {"NAME": "x"}}, ["['TEST']", "'NAME'", "KEY_PREFIX"]),
        ({"CACHE": "c", "TEST": {"CACHE": "c"}}, ["['TEST']", "'CACHE'"]),
        ({"CACHE": "c", "TEST": {"LOCATION": 1}}, ["['TEST']['LOCATION']", "int"]),
        ({"CACHE": "c", "TEST": {"KEY_PREFIX": "{"}}, ["['TEST']['KEY_PREFIX']"]),
        ({"CACHE": "c", "TEST": {"OPTIONS": {"db": 1}}}, ["OPTIONS without LOCATION"]),
        (
            {"CACHE": "c", "TEST": {"LOCATION": REDIS, "OPTIONS": []}},
            ["['TEST']['OPTIONS']", "dict"],
        ),
    ],
)
def test_an_invalid_entry_is_named_with_a_fix(settings, entry, named):
    settings.ORMIST = {"shop": entry}
    with pytest.raises(ImproperlyConfigured) as caught:
        conf.read_alias("shop")
    for words in ["shop", *named]:
        assert words in str(caught.value)


def test_an_invalid_setting_is_named(settings):
    settings.ORMIST = "redis://localhost"
    with pytest.raises(DjangoImproperlyConfigured, match="ORMIST is a str"):
        conf.get_setting()


def test_an_invalid_alias_does_not_affect_the_others(settings):
    settings.ORMIST = {"good": {"LOCATION": REDIS}, "bad": {}}
    assert conf.read_alias("good").location == REDIS


def test_the_repr_of_an_alias_hides_the_password():
    alias = conf.Alias("a", location="redis://:secret@h", options={"password": "p4ss"})
    assert "secret" not in repr(alias)
    assert "p4ss" not in repr(alias)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("ssl", "rediss://"),
        ("CONNECTION_POOL_KWARGS", "in OPTIONS themselves"),
        ("connection_class", "scheme of LOCATION"),
        ("CONNECTION_POOL_CLASS", "name a cache in CACHE"),
        ("CLIENT_CLASS", "an option of a cache"),
        ("unix_socket_path", "unix:///"),
        ("url", "Write it in LOCATION"),
        ("SOCKET_TIMEOUT", "Did you mean 'socket_timeout'?"),
    ],
)
def test_an_option_of_another_library_suggests_ours(settings, option, words):
    options = {option: True}
    settings.ORMIST = {"default": {"LOCATION": "unix:///x", "OPTIONS": options}}
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        _ = connections["default"].endpoint
    assert f"ORMIST['default'] has an option {option!r}" in str(caught.value)
