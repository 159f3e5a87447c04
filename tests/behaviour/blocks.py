"""atomic(), sync and async."""

import django_ormist as ormist


class Block:
    """A runner of functions inside atomic(), sync or async.

    The function gets a caller of methods, as ``ask`` is one.
    """

    def __init__(self, ask):
        self.ask = ask

    def __call__(self, function, *args, **kwargs):
        if not self.ask.is_async:
            with ormist.atomic(*args, **kwargs):
                return function(lambda method, *a, **k: method(*a, **k))
        return self.ask.wait(self._awaited(function, *args, **kwargs))

    async def _awaited(self, function, *args, **kwargs):
        async with ormist.atomic(*args, **kwargs):
            return function(self._drive)

    def _drive(self, method, *args, **kwargs):
        """Run an async variant that only queues a write: it ends without waiting."""
        coroutine = getattr(method.__self__, f"a{method.__name__}")(*args, **kwargs)
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError(f"{method} waits inside atomic().")
