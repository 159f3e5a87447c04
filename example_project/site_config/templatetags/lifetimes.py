"""Lifetimes in words."""

from django import template

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
