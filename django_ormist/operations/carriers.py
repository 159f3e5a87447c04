"""Which of many objects carry each index term, for a step that takes them together."""

from collections.abc import Iterable

from .objects import Image


def carriers_of(images: Iterable[Image]) -> tuple[list[bytes], list[int]]:
    """The terms' suffixes, and of each in turn how many carry it and which, from 1."""
    carriers: dict[bytes, list[int]] = {}
    for number, image in enumerate(images, start=1):
        for suffix in image.suffixes:
            carriers.setdefault(suffix, []).append(number)
    words: list[int] = []
    for numbers in carriers.values():
        words += (len(numbers), *numbers)
    return list(carriers), words
