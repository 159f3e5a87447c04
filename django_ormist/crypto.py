"""Random strings: ids of objects, keys of sessions."""

from functools import cache
from os import urandom


def get_random_string(alphabet: str, length: int) -> str:
    """Return a secure random string. Letters of the alphabet are equally likely.

    Django's get_random_string() chooses each letter in its own call, which takes twenty
    times as long.
    """
    table, surplus = _tables(alphabet)
    letters = urandom(length + 8).translate(table, surplus)
    while len(letters) < length:  # rarely: surplus bytes were dropped
        letters += urandom(length + 8).translate(table, surplus)
    return letters[:length].decode()


@cache
def _tables(alphabet: str) -> tuple[bytes, bytes]:
    """Return the letter of each byte, and the surplus bytes."""
    share = 256 // len(alphabet)
    table = (alphabet * (share + 1))[:256].encode()
    return table, bytes(range(share * len(alphabet), 256))
