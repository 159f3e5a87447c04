"""atomic() in either colour."""

import django_ormist as ormist


class Block:
    """Runs a function in a block of either colour; the function asks by itself."""

    def __init__(self, ask):
        self.ask = ask

    def __call__(self, function, *args, **kwargs):
        if not self.ask.is_async:
            with ormist.atomic(*args, **kwargs):
                return function(lambda verb, *a, **k: verb(*a, **k))
        return self.ask.wait(self._awaited(function, *args, **kwargs))

    async def _awaited(self, function, *args, **kwargs):
        async with ormist.atomic(*args, **kwargs):
            return function(self._drive)

    def _drive(self, verb, *args, **kwargs):
        """A verb that collects asks nobody: its coroutine ends without waiting."""
        twin = getattr(verb.__self__, f"a{verb.__name__}")(*args, **kwargs)
        try:
            twin.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError(f"{verb} waits within a block.")
