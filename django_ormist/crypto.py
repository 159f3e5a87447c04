"""Random strings: ids of objects, keys of sessions."""

import secrets
from functools import cache


def get_random_string(alphabet: str, length: int) -> str:
    """Return a secure random string. Letters of the alphabet are equally likely.

    Django's get_random_string() chooses each letter in its own call, which takes twenty
    times as long.
    """
    letters, (table, surplus) = b"", _tables(alphabet)
    while len(letters) < length:  # surplus bytes are dropped, so it rarely runs twice
        letters += secrets.token_bytes(length + 8).translate(table, surplus)
    return letters[:length].decode()


@cache
def _tables(alphabet: str) -> tuple[bytes, bytes]:
    """Return the letter of each byte, and the surplus bytes."""
    share = 256 // len(alphabet)
    table = (alphabet * (share + 1))[:256].encode()
    return table, bytes(range(share * len(alphabet), 256))
