"""Lifetimes in words."""

from django import template
from django.utils.html import format_html

register = template.Library()

UNITS = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]


@register.filter
def lifetime(seconds):
    """Return seconds in their two largest units that are not 0: ``"9 min 58 s"``."""
    left, words = int(seconds), []
    for unit, size in UNITS:
        number, left = divmod(left, size)
        if number or (words and len(words) < 2):
            words.append(f"{number} {unit}")
    return " ".join(words[:2]) or "0 s"


@register.filter
def countdown(seconds):
    """Return the time left as an element that ``site.js`` counts down.

    Without the script it shows the time that was left when the page was made.
    """
    return format_html(
        '<time role="timer" datetime="PT{}S" data-left-ms="{}">{}</time>',
        int(seconds),
        round(seconds * 1000),
        lifetime(seconds),
    )
