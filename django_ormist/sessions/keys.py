"""The public session key of a cookie -> the private id that the store knows."""

from hashlib import sha256

VERSION = "2::"
"""Says how the id is made, so that another way can stand beside it one day."""


def private_id(session_key: str) -> str:
    """The id of the session whose cookie holds *session_key*.

    Nothing leads back: who reads the store learns no key. A key has 165 random bits,
    so neither a salt nor a slow hash would add to that. A private id that is
    presented as a key is hashed as well, and finds nothing.
    """
    # A cookie may hold what no text can: it misses, and is no error.
    return VERSION + sha256(session_key.encode(errors="surrogatepass")).hexdigest()
