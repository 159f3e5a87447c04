"""Writers that are killed at any moment leave a sound store.

ORMIST_SOAK_SECONDS: how long they write at least; eight seconds if it is not set.
"""

import os
import random
import time
from multiprocessing.connection import wait

import pytest

from django_ormist.connections.executor import run
from django_ormist.operations.expiry import sweep
from tests.checker import api_faults, raw_faults
from tests.concurrency import writer
from tests.concurrency.workers import PATIENCE, PROCESSES

WRITERS = 8
SECONDS = float(os.environ.get("ORMIST_SOAK_SECONDS", "8"))


class Writers:
    """Eight writing processes, of which some are killed and replaced."""

    def __init__(self, alias, folder, seed, methods=writer.VERBS):
        self.alias, self.folder, self.methods = alias, folder, methods
        self.turns = random.Random(seed)
        self.killed = 0
        self.done_by_killed = [0] * len(methods)
        self.running = [self._start() for _ in range(WRITERS)]

    def _start(self):
        seed = self.turns.getrandbits(32)
        report = self.folder / f"writer-{seed}"
        # Without a lock: one killed while it holds the lock would stop the others.
        done = PROCESSES.RawArray("q", len(self.methods))
        process = PROCESSES.Process(
            target=writer.write,
            args=(self.alias, seed, report, done, self.methods),
            daemon=True,
        )
        process.start()
        return process, report, done

    @property
    def done(self):
        """Return how often each method was called, by killed and running writers."""
        counts = [self.done_by_killed, *(done for _, _, done in self.running)]
        return [sum(each) for each in zip(*counts, strict=True)]

    def _check(self):
        """Fail with its own error if a writer has ended by itself."""
        for process, report, _ in self.running:
            assert process.exitcode is None, report.read_text()

    def _kill(self, process, report, done):
        process.kill()
        process.join()
        assert not report.exists(), report.read_text()
        self.killed += 1
        self.done_by_killed = [
            a + b for a, b in zip(self.done_by_killed, done, strict=True)
        ]

    def _wait_for(self, methods):
        """Wait until this many more calls are done."""
        wanted = sum(self.done) + methods
        give_up = time.monotonic() + PATIENCE
        while sum(self.done) < wanted:
            ends = [process.sentinel for process, _, _ in self.running]
            wait(
                ends, self.turns.uniform(0, 0.01)
            )  # writers do not end: this is a timeout
            self._check()
            assert time.monotonic() < give_up, f"Nothing is written: {self.done}"

    def work(self, seconds):
        """Let them write, and kill one after the other at random moments.

        A moment depends on the number of calls and not on the clock, so that a writer
        does as much on a slow machine.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end or self.killed <= WRITERS or not all(self.done):
            self._wait_for(self.turns.randrange(60))
            place = self.turns.randrange(WRITERS)
            self._kill(*self.running[place])
            self.running[place] = self._start()

    def stop(self):
        self._check()
        for each in self.running:
            self._kill(*each)
        self.running = []


def settle(client):
    """Wait until the server has executed all requests of killed writers, and until
    short lifetimes have ended; then sweep.
    """
    while len(client.client_list()) > 1:
        pass
    seconds, micros = client.time()
    end = seconds * 1_000_000 + micros + writer.SHORT * 1_000_000 + 1000
    while seconds * 1_000_000 + micros < end:
        seconds, micros = client.time()
    for model in writer.MODELS:
        while run(sweep(model._meta.space("default"), 500), "default"):
            pass


@pytest.mark.slow
@pytest.mark.servers("valkey91")
def test_writers_killed_at_random_leave_a_sound_store(server, start_server, tmp_path):
    own = start_server(server)  # it has no other clients
    server.connect(own.unix_url)
    alias = {"LOCATION": own.unix_url, "KEY_PREFIX": server.key_prefix}
    seed = random.randrange(2**32)
    writers = Writers(alias, tmp_path, seed)
    try:
        writers.work(SECONDS)
    finally:
        writers.stop()
    said = f"seed {seed}, {writers.killed} killed, done {writers.done}"
    client = own.client()
    settle(client)
    prefix = f"{server.key_prefix}:"
    faults = raw_faults(client, server.key_prefix)
    for model in writer.MODELS:
        faults += api_faults(model, writer.TAGS if model.is_tagged else [])
    assert not faults, "\n".join([said, *faults[:30]])
    strays = [k for k in client.scan_iter() if not k.startswith(prefix.encode())]
    assert strays == [], said
    for model in writer.MODELS:
        model.objects.all().delete()
    assert client.keys() == [], said
    print(said)  # noqa: T201  (pytest -rP shows it)
