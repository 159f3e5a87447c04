"""Processes that run a job at the same moment.

They come from a fork server, a fresh interpreter that has imported Django and has never
connected. So a worker starts in milliseconds, and shares only barriers with the test.
"""

import os
import traceback
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.concurrency.preload"])

PATIENCE = 120  # seconds until a barrier or an answer that does not come is a failure

Job = Callable[..., Any]
"""Called as ``job(barrier, number, *args)`` in each member, numbers from 0."""


def configure(alias: dict[str, Any]) -> None:
    """Configure Django in a worker, with ORMIST's "default" as given."""
    import django
    from django.conf import settings
    from django.core.signals import setting_changed

    ormist = {"default": alias}
    if settings.configured:
        settings.ORMIST = ormist
        setting_changed.send(None, setting="ORMIST", value=ormist, enter=True)
        return
    settings.configure(
        SECRET_KEY="of-a-child",
        USE_TZ=True,
        INSTALLED_APPS=["django_ormist", "tests"],
        ORMIST=ormist,
    )
    django.setup()


def serve(pipe: Connection, number: int, barriers: dict[int, Any]) -> None:
    """Run jobs and return their results until the pipe is closed."""
    os.environ.pop("DJANGO_SETTINGS_MODULE", None)
    while True:
        try:
            job, alias, size, args = pipe.recv()
        except EOFError:
            return
        barrier = barriers[size]
        try:
            configure(alias)
            result = job(barrier, number, *args), None
        except BaseException:
            barrier.abort()
            result = None, traceback.format_exc()
        pipe.send(result)


class Workers:
    """Twenty processes; a job uses as many as it needs: 2, 4, 8 or all."""

    sizes = (2, 4, 8, 20)

    def __init__(self) -> None:
        self._barriers = {
            size: PROCESSES.Barrier(size, timeout=PATIENCE) for size in self.sizes
        }
        self._pipes: list[Any] = []
        self._processes: list[Any] = []
        for number in range(max(self.sizes)):
            ours, theirs = PROCESSES.Pipe()
            process = PROCESSES.Process(
                target=serve, args=(theirs, number, self._barriers), daemon=True
            )
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def run(self, job: Job, size: int, alias: dict[str, Any], *args: Any) -> list[Any]:
        """Return the results of *size* workers. AssertionError if one raised."""
        self._barriers[size].reset()
        for pipe in self._pipes[:size]:
            pipe.send((job, alias, size, args))
        answers = []
        for number, pipe in enumerate(self._pipes[:size]):
            assert pipe.poll(PATIENCE), f"Member {number} does not answer."
            answers.append(pipe.recv())
        errors = [error for _, error in answers if error]
        # One that fails breaks the barrier for all: its own error comes first.
        errors.sort(key=lambda error: "BrokenBarrierError" in error)
        assert not errors, errors[0]
        return [result for result, _ in answers]

    def close(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            if process.is_alive():
                process.kill()
