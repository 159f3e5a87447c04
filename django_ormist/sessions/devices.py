"""The address and the browser of a session's device."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

AGENT_LENGTH = 400
"""Characters kept of a User-Agent. Real ones have 80 to 300."""

# The first match counts. Browsers whose User-Agent also names others come first.
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
class Visit:
    """The part of a request that a session records, and the interval between records.

    interval_ms: a later request within this time is not recorded.
    """

    address: str | None
    agent: str
    at_ms: int
    interval_ms: int

    def attrs_for(self, attrs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes to set on a session with these attributes.

        Return {} if a visit was recorded within the interval.
        """
        seen_ms = attrs.get("seen_ms")
        if seen_ms is not None and self.at_ms - seen_ms < self.interval_ms:
            return {}
        return {"address": self.address, "agent": self.agent, "seen_ms": self.at_ms}


def device_name(agent: str | None) -> str:
    """Return browser and system, as ``Firefox on Windows``, or "" if unknown."""
    browser = _first_match(_BROWSERS, agent or "")
    system = _first_match(_SYSTEMS, agent or "")
    return f"{browser} on {system}" if browser and system else browser or system


def _first_match(names: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, pattern in names if re.search(pattern, agent)), "")


def client_address(meta: Mapping[str, str], trusted_proxies: int) -> str | None:
    """Return the address of the client, or None if it is unknown.

    meta: ``request.META``. trusted_proxies: the number of our own proxies. Each adds an
    entry to X-Forwarded-For, so only that many entries at its end are trustworthy, and
    the first of these is the client.
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
