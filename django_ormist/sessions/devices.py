"""What is known of the device that a session is used on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

LONGEST_AGENT = 400
"""So many letters of a User-Agent are kept: real ones have 80 to 300."""

# The first that matches: those that name others beside themselves come first.
_BROWSERS = (
    ("Edge", r"\bEdg(e|A|iOS)?/"),
    ("Opera", r"\b(OPR|Opera)/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Vivaldi", r"\bVivaldi/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|CriOS|HeadlessChrome)/"),
    ("Safari", r"\bVersion/.* Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac(intosh| OS X)\b"),
    ("Linux", r"\bLinux\b"),
)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A request, as far as a session records it, and how often it does at most."""

    address: str | None
    agent: str
    at_ms: int
    interval_ms: int

    def facts(self, attrs: Mapping[str, Any]) -> dict[str, Any]:
        """What to record on a session with these attributes: {} before it is due."""
        seen_ms = attrs.get("seen_ms")
        if seen_ms is not None and self.at_ms - seen_ms < self.interval_ms:
            return {}
        return {"address": self.address, "agent": self.agent, "seen_ms": self.at_ms}


def device_name(agent: str | None) -> str:
    """``Firefox on Windows``: a User-Agent in words, "" if it says nothing."""
    browser, system = _first(_BROWSERS, agent or ""), _first(_SYSTEMS, agent or "")
    return f"{browser} on {system}" if browser and system else browser or system


def _first(names: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, pattern in names if re.search(pattern, agent)), "")


def client_address(meta: Mapping[str, str], trusted_proxies: int) -> str | None:
    """The address of the client, None if none is known.

    meta: ``request.META``. trusted_proxies: how many proxies of ours the request came
    through; each adds to X-Forwarded-For, so the last so many entries can be believed,
    and the first of these is the client. What else stands there is only said.
    """
    entries = [meta.get("REMOTE_ADDR", "")]
    if trusted_proxies:
        entries = meta.get("HTTP_X_FORWARDED_FOR", "").split(",")[-trusted_proxies:]
    text = entries[0].strip()
    # Some proxies add a port: 192.0.2.1:4711, [2001:db8::1]:4711.
    if found := re.fullmatch(r"\[(.*)\](:\d+)?|([\d.]+):\d+", text):
        text = found[1] or found[3]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
