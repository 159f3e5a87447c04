"""The router of an alias with several nodes: it drives route(), sync and async."""

import asyncio
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import replace
from math import ceil
from random import random
from time import monotonic
from typing import Any

from redis.exceptions import AuthenticationError, RedisError

from ..exceptions import ImproperlyConfigured
from ..operations.operation import Address, NodeOperation, Operation
from .async_pools import LoopPools, pools_of_running_loop
from .cluster_map import ClusterMap
from .endpoints import Cluster, Endpoint, Sentinels
from .exchange import (
    AsyncExchange,
    Exchange,
    aattempt,
    aexchange,
    attempt,
    exchange,
)
from .pools import pools
from .replica_reads import Ask, Reading, Replicas, StateObserver, read
from .routing import route
from .sentinel_events import SentinelEvents
from .sentinels import SHORTEST_INTERVAL, SentinelMap
from .steps import Outcome, Parcel, Refresh, Step, Wait
from .thread_pools import ThreadPool

_PING = Operation("PING", keys=())


class Router:
    """Sends operations to the nodes of one alias. Threads and loops may share it."""

    def __init__(
        self, where: str, endpoint: Endpoint, nodes: Sentinels | Cluster
    ) -> None:
        self.endpoint = endpoint
        self.map: SentinelMap | ClusterMap
        self._patience = nodes.patience
        self._confirm: Operation | None = None
        if nodes.replicas:
            timeout_ms = ceil(nodes.replicas_timeout * 1000) or 1  # 0 is no limit
            self._confirm = Operation("WAIT", (), (nodes.replicas, timeout_ms))
        self._observes_nothing = self._confirm is None
        self.replicas = Replicas("")
        self._observer: StateObserver | None = None
        self._events: SentinelEvents | None = None
        self._asked: dict[str, Endpoint] = {}  # by its key: who tells where nodes are
        if isinstance(nodes, Sentinels):
            self.map = SentinelMap(where, nodes)
            if nodes.watch:
                self._events = SentinelEvents(nodes.endpoints, self._look)
        else:
            self.map = ClusterMap(where, nodes)
        self._nodes: dict[Address, Endpoint] = {}
        self._pools: dict[Address, ThreadPool] = {}
        self._replica_nodes: dict[Address, Endpoint] = {}
        self._version = 0

    def read_replicas(self, alias: str) -> None:
        """Note the position of each write from now on, so that replicas can be read."""
        self.replicas = Replicas(alias)
        self._observer = StateObserver(self.map, self.replicas.positions)
        self._observes_nothing = False

    def send(self, operations: Sequence[Operation]) -> list[Any]:
        """Return the raw replies of *operations*, in order. See route()."""
        first: tuple[Parcel, Outcome] | None = None
        nodes = self.map
        if (
            self._observes_nothing
            and nodes.version == self._version
            and monotonic() < nodes.check_at
            and (address := nodes.common_address(operations)) is not None
            and (pool := self._pools.get(address)) is not None
        ):  # the usual case: one known node, and no error
            outcome, errors = attempt(pool, operations)
            if not errors:
                return outcome  # type: ignore[return-value]
            first = Parcel(address, range(len(operations)), operations), outcome
        options = self._patience, monotonic, random, self._confirm, self._observer
        steps = route(nodes, operations, *options, first)
        try:
            step = next(steps)
            while True:
                if isinstance(step, list):
                    step = steps.send(self._exchange(step))
                else:
                    self._perform(step)
                    step = next(steps)
        except StopIteration as done:
            replies: list[Any] = done.value
            return replies
        except BaseException:
            if self._observer is not None:
                self.replicas.lose(self.map, operations)
            raise
        finally:
            steps.close()

    async def asend(self, operations: Sequence[Operation]) -> list[Any]:
        """See send()."""
        first: tuple[Parcel, Outcome] | None = None
        loop_pools, nodes = pools_of_running_loop(), self.map
        if (
            self._observes_nothing
            and nodes.version == loop_pools.versions.get(self.endpoint.key)
            and monotonic() < nodes.check_at
            and (address := nodes.common_address(operations)) is not None
            and (node := self._nodes.get(address)) is not None
        ):
            outcome, errors = await aattempt(loop_pools.get(node), operations)
            if not errors:
                return outcome  # type: ignore[return-value]
            first = Parcel(address, range(len(operations)), operations), outcome
        options = self._patience, monotonic, random, self._confirm, self._observer
        steps = route(nodes, operations, *options, first)
        try:
            step = next(steps)
            while True:
                if isinstance(step, list):
                    step = steps.send(await self._aexchange(step, loop_pools))
                else:
                    await self._aperform(step, loop_pools)
                    step = next(steps)
        except StopIteration as done:
            replies: list[Any] = done.value
            return replies
        except BaseException:
            if self._observer is not None:
                self.replicas.lose(self.map, operations)
            raise
        finally:
            steps.close()

    def read(self, operations: Sequence[Operation], reading: Reading) -> list[Any]:
        """Return the raw replies of a replica or of the primary."""
        steps = self._read_steps(operations, reading)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Ask):
                    step = steps.send(self._ask(step))
                elif isinstance(step, list):
                    step = steps.send(self._exchange(step))
                else:
                    self._perform(step)
                    step = next(steps)
        except StopIteration as done:
            replies: list[Any] = done.value
            return replies
        finally:
            steps.close()

    async def aread(
        self, operations: Sequence[Operation], reading: Reading
    ) -> list[Any]:
        """See read()."""
        loop_pools = pools_of_running_loop()
        steps = self._read_steps(operations, reading)
        try:
            step = next(steps)
            while True:
                if isinstance(step, Ask):
                    step = steps.send(await self._aask(step, loop_pools))
                elif isinstance(step, list):
                    step = steps.send(await self._aexchange(step, loop_pools))
                else:
                    await self._aperform(step, loop_pools)
                    step = next(steps)
        except StopIteration as done:
            replies: list[Any] = done.value
            return replies
        finally:
            steps.close()

    def _read_steps(
        self, operations: Sequence[Operation], reading: Reading
    ) -> Generator[Step | Ask, Any, list[Any]]:
        options = self._patience, monotonic, random, self.replicas, reading
        return read(self.map, operations, *options)

    @property
    def primary(self) -> Address:
        """The address of the primary. Raises ConnectionError if it is unknown."""
        if self.map.address is None:
            raise self.map.explain(None, None)
        return self.map.address

    # For inspections

    def nodes_of(self, operations: Sequence[Operation]) -> tuple[Address, ...]:
        """Return the addresses of the primaries for *operations*, sorted."""
        found: set[Address | None] = set()
        for operation in operations:
            if type(operation) is NodeOperation:
                node = operation.node
                found.update(self.map.primaries if node is None else (node,))
            elif operation.keys:
                found.add(self.map.address_of(operation))
        if not found and self.map.address is not None:
            found.add(self.map.address)
        return tuple(sorted(each for each in found if each is not None))

    def find_nodes(self) -> list[Address]:
        """Return the addresses of all known nodes, after a refresh."""
        self._refresh(Refresh(is_urgent=False))
        return sorted({*self.map.addresses, *self.map.replica_addresses})

    def query(self, node: Address | Endpoint, operations: list[Operation]) -> list[Any]:
        """Return the raw replies of one node or sentinel. Nothing is sent again.

        Raises RedisError.
        """
        if not isinstance(node, Endpoint):
            node = replace(self.endpoint.at(node), is_primary=False)
        self._asked[node.key] = node
        return exchange(pools.get(node), operations)[0]

    @property
    def address(self) -> Address | None:
        """The host and port of the primary, if it is known."""
        return self.map.address

    def close(self) -> None:
        """Close the idle sync connections."""
        for node in self._all_nodes():
            pools.get(node).close_idle()

    async def aclose(self) -> None:
        """Close the idle connections of the running loop."""
        for node in (self.endpoint, *self._all_nodes()):
            await pools_of_running_loop().retire(node)

    # For redis-py's clients

    def primary_pool(self) -> Any:
        """Return the pool of the primary. Find it with PING if a refresh is due."""
        if self.map.address is None or self.map.is_due(monotonic()):
            self.send([_PING])
        return self._pool(self.primary)

    async def aprimary_pool(self) -> Any:
        """See primary_pool()."""
        if self.map.address is None or self.map.is_due(monotonic()):
            await self.asend([_PING])
        return pools_of_running_loop().get(self._node(self.primary))

    # Steps, sync

    def _perform(self, step: Refresh | Wait) -> None:
        if isinstance(step, Wait):
            time.sleep(step.seconds)
        else:
            self._refresh(step)

    def _exchange(self, parcels: list[Parcel]) -> list[Outcome | None]:
        if self._version != self.map.version:
            self._drop_former_nodes()
        known = self._pools
        calls = [
            Exchange(known.get(address) or self._pool(address), operations)
            for address, _, operations, _ in parcels
        ]
        try:
            for call in calls:
                call.open()
            for call in calls:
                call.write()
            for call in calls:
                call.read()
        except BaseException:
            for call in calls:
                call.abandon()
            raise
        return [call.outcome for call in calls]

    def _ask(self, step: Ask) -> Outcome | None:
        """Return the outcome of a replica."""
        if self._version != self.map.version:
            self._drop_former_nodes()
        call = Exchange(pools.get(self._replica_node(step.address)), step.operations)
        try:
            call.open()
            call.write()
            call.read()
        except BaseException:
            call.abandon()
            raise
        return call.outcome

    def _look(self) -> None:
        """Ask the sentinels, after an event."""
        self.map.doubt()
        with suppress(ImproperlyConfigured, AuthenticationError):
            self._refresh(Refresh(is_urgent=True))
            if self.map.is_due(monotonic()):  # not asked, so soon after the last time
                time.sleep(SHORTEST_INTERVAL)
                self._refresh(Refresh(is_urgent=True))

    def _refresh(self, step: Refresh) -> None:
        if self._events is not None:
            self._events.start()
        queries = self.map.refresh(step.is_urgent, monotonic)
        replies: Any = None
        try:
            while True:
                asked, operations = queries.send(replies)
                self._asked[asked.key] = asked
                try:
                    replies, _ = exchange(pools.get(asked), operations)
                except RedisError as error:
                    replies = error.with_traceback(None)
        except StopIteration:
            pass
        finally:
            queries.close()

    def _pool(self, address: Address) -> ThreadPool:
        pool = self._pools[address] = pools.get(self._node(address))
        return pool

    def _drop_former_nodes(self) -> None:
        """Close the connections to nodes that are not used any more."""
        self._version, used = self.map.version, self.map.addresses
        for address in [each for each in self._pools if each not in used]:
            self._pools.pop(address, None)
            pools.retire(self._node(address))
        for node in (*self._former_replicas(), *self._formerly_asked()):
            pools.retire(node)

    # Steps, async

    async def _aperform(self, step: Refresh | Wait, loop_pools: LoopPools) -> None:
        if isinstance(step, Wait):
            await asyncio.sleep(step.seconds)
        else:
            await self._arefresh(step, loop_pools)

    async def _aexchange(
        self, parcels: list[Parcel], loop_pools: LoopPools
    ) -> list[Outcome | None]:
        await self._adrop_former_nodes(loop_pools)
        calls = [
            AsyncExchange(loop_pools.get(self._node(each.address)), each.operations)
            for each in parcels
        ]
        try:
            for call in calls:
                await call.open()
            if len(calls) == 1:
                await calls[0].write_and_read()
            else:
                await asyncio.gather(*(call.write_and_read() for call in calls))
        except BaseException:
            for call in calls:
                await call.abandon()
            raise
        return [call.outcome for call in calls]

    async def _aask(self, step: Ask, loop_pools: LoopPools) -> Outcome | None:
        """See _ask()."""
        await self._adrop_former_nodes(loop_pools)
        pool = loop_pools.get(self._replica_node(step.address))
        call = AsyncExchange(pool, step.operations)
        try:
            await call.open()
            await call.write_and_read()
        except BaseException:
            await call.abandon()
            raise
        return call.outcome

    async def _arefresh(self, step: Refresh, loop_pools: LoopPools) -> None:
        if self._events is not None:
            self._events.start()
        queries = self.map.refresh(step.is_urgent, monotonic)
        replies: Any = None
        try:
            while True:
                asked, operations = queries.send(replies)
                self._asked[asked.key] = asked
                try:
                    replies, _ = await aexchange(loop_pools.get(asked), operations)
                except RedisError as error:
                    replies = error.with_traceback(None)
        except StopIteration:
            pass
        finally:
            queries.close()

    async def _adrop_former_nodes(self, loop_pools: LoopPools) -> None:
        """See _drop_former_nodes(). Each loop has pools of its own."""
        version, used = self.map.version, self.map.addresses
        if loop_pools.versions.get(self.endpoint.key) != version:
            loop_pools.versions[self.endpoint.key] = version
            for address, node in [*self._nodes.items()]:
                if address not in used:
                    await loop_pools.retire(node)
            for node in (*self._former_replicas(), *self._formerly_asked()):
                await loop_pools.retire(node)

    # Shared

    def _replica_node(self, address: Address) -> Endpoint:
        try:
            return self._replica_nodes[address]
        except KeyError:
            node = self._replica_nodes[address] = self.endpoint.at_replica(address)
            return node

    def _all_nodes(self) -> list[Endpoint]:
        known = (*self._nodes.values(), *self._replica_nodes.values())
        return [*known, *self._asked.values()]

    def _formerly_asked(self) -> list[Endpoint]:
        """Return the endpoints for queries to nodes that have left the Cluster."""
        cluster = self.endpoint.cluster
        if cluster is None:
            return []
        kept = {*self.map.addresses, *cluster.seeds}
        return [each for each in [*self._asked.values()] if each.address not in kept]

    def _former_replicas(self) -> list[Endpoint]:
        nodes = self._replica_nodes.copy()
        used = self.map.replica_addresses if nodes else ()
        return [node for address, node in nodes.items() if address not in used]

    def _node(self, address: Address) -> Endpoint:
        try:
            return self._nodes[address]
        except KeyError:
            node = self._nodes[address] = self.endpoint.at(address)
            return node
