"""Random letters: ids of objects, keys of sessions."""

import secrets
from functools import cache


def get_random_string(alphabet: str, length: int) -> str:
    """So many letters, each of the alphabet with the same chance.

    Django's get_random_string() draws each apart, which takes twenty times as long.
    """
    letters, (table, surplus) = b"", _tables(alphabet)
    while len(letters) < length:  # a few of 256 bytes are left out: rarely twice
        letters += secrets.token_bytes(length + 8).translate(table, surplus)
    return letters[:length].decode()


@cache
def _tables(alphabet: str) -> tuple[bytes, bytes]:
    """The letter of each byte, and the bytes that would give some letters more."""
    share = 256 // len(alphabet)
    table = (alphabet * (share + 1))[:256].encode()
    return table, bytes(range(share * len(alphabet), 256))
