"""The connection of one alias: send operations, return replies, sync and async."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import redis
import redis.asyncio
from redis.cluster import RedisCluster
from redis.exceptions import AuthenticationError, NoScriptError, RedisError

from ..conf import Alias
from ..operations.operation import Address, Operation
from .async_pools import pools_of_running_loop
from .clients import async_client, client
from .endpoints import Endpoint
from .exchange import aexchange, exchange
from .explanations import (
    acheck_role,
    check_role,
    cluster_url,
    explain_node,
    explain_shortage,
    is_unknown_command,
    refuse_database,
)
from .pools import pools
from .positions import Positions
from .refusals import is_forbidden, positions_to_repeat
from .replica_reads import Reading, Reads, may_read_replica
from .router import Router
from .steps import Unconfirmed
from .thread_pools import is_broken, is_unreachable

_CLIENT_ID = Operation("CLIENT ID", keys=())


class Connection:
    """The connection to the server of one alias. Threads and loops may share it.

    Commands use a connection of the pool, not redis-py's client, which retries by the
    policy of the connection and reshapes replies by command.
    """

    def __init__(self, alias: Alias) -> None:
        self.alias = alias
        self.key_prefix = alias.key_prefix
        self.codec = alias.codec
        self._endpoint: Endpoint | None = None
        self._pool: Any = None
        self._client: redis.Redis | None = None
        self._router: Router | None = None
        self._has_answered = False
        self._refused: set[str] | None = None
        self.reads_replicas = alias.options.get("read_from") == "replicas"

    def __repr__(self) -> str:
        return f"<Connection {self.alias.name!r}>"

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of the alias, read on first use. Raises ImproperlyConfigured."""
        if self._endpoint is None:
            # Imported here: an alias needs only one of the two.
            if self.alias.cache is not None:
                from .cache_pools import endpoint
            else:
                from .urls import endpoint
            with pools.lock:
                if self._endpoint is None:
                    found = endpoint(self.alias)
                    if found.nodes is not None:
                        self._router = Router(self.alias.where, found, found.nodes)
                        if self.reads_replicas:
                            self._router.read_replicas(self.alias.name)
                    self._endpoint = found
        return self._endpoint

    @property
    def is_cluster(self) -> bool:
        """Whether the alias names a Cluster, and keys live on several nodes."""
        return self.endpoint.cluster is not None

    @property
    def refused(self) -> set[str]:
        """The names of optional commands that the server refuses.

        SORT: a replica refuses it as a write, and on a node of a Cluster it misses the
        objects that are moving to another one.
        """
        if self._refused is None:
            is_known = self.is_cluster or self.reads_replicas
            self._refused = {"SORT"} if is_known else set()
        return self._refused

    @property
    def address(self) -> tuple[str, int | None] | None:
        """The address of the endpoint, or of the primary that sentinels have named.

        That of a Cluster is the address of one of its primaries.
        """
        found = self.endpoint.address
        return found if self._router is None else self._router.address or found

    def send(self, operations: Sequence[Operation]) -> list[Any]:
        """Return the raw replies of *operations*, in order. One round trip.

        Replies are bytes in RESP2's shapes, also with RESP3. An error reply is an item
        of the list. It has a note that names the alias, as have the errors of redis-py
        that are raised if the connection fails.

        If the connection breaks, the operations are sent once more if all are reads.
        Operations refused by a replica, or by a server that is loading, had no effect:
        they are sent once more, over a new connection.
        """
        pool = self._pool or self._open()
        if self._router is not None:
            try:
                return self._explained(operations, self._router.send(operations))
            except RedisError as error:
                self._explain_failure(error)
                raise
        try:
            try:
                replies, errors = exchange(pool, operations)
            except RedisError as error:
                if not _is_repeatable(operations, error):
                    raise
                replies, errors = exchange(pool, operations)
            self._has_answered = True
            if errors:
                if again := positions_to_repeat(operations, replies):
                    repeated, _ = exchange(pool, [operations[i] for i in again])
                    _replace_replies(repeated, again, replies)
                self._explain(operations, replies)
                if is_unknown_command(errors):
                    check_role(self.alias.name, self.endpoint)
        except RedisError as error:
            self._explain_failure(error)
            if is_broken(error) and not self._has_answered:
                with self._only_refusals(error):
                    exchange(pool, [_CLIENT_ID])
            if is_unknown_command([error]):
                check_role(self.alias.name, self.endpoint)
            raise
        return replies

    async def asend(self, operations: Sequence[Operation]) -> list[Any]:
        """See send()."""
        endpoint = self._endpoint or self.endpoint
        if self._router is not None:
            try:
                return self._explained(operations, await self._router.asend(operations))
            except RedisError as error:
                self._explain_failure(error)
                raise
        pool = pools_of_running_loop().get(endpoint)
        try:
            try:
                replies, errors = await aexchange(pool, operations)
            except RedisError as error:
                if not _is_repeatable(operations, error):
                    raise
                replies, errors = await aexchange(pool, operations)
            self._has_answered = True
            if errors:
                if again := positions_to_repeat(operations, replies):
                    repeated, _ = await aexchange(pool, [operations[i] for i in again])
                    _replace_replies(repeated, again, replies)
                self._explain(operations, replies)
                if is_unknown_command(errors):
                    await acheck_role(self.alias.name, endpoint)
        except RedisError as error:
            self._explain_failure(error)
            if is_broken(error) and not self._has_answered:
                with self._only_refusals(error):
                    await aexchange(pool, [_CLIENT_ID])
            if is_unknown_command([error]):
                await acheck_role(self.alias.name, endpoint)
            raise
        return replies

    # Reads from replicas

    def reader(self, reads: Reads) -> "Connection | Reader":
        """Return the sender for the operations of a read-only flow.

        It is this connection if replicas are not read, such as in an atomic() block.
        """
        if self.reads_replicas and may_read_replica(self.alias.name):
            self.endpoint  # noqa: B018 - opened on first use
            if self._router is not None:
                return Reader(self, reads if isinstance(reads, Reading) else Reading())
        return self

    def primary_of(
        self, operations: Sequence[Operation]
    ) -> tuple[str, int | None] | None:
        """Return the address of the primary that these operations were sent to."""
        router = self._router
        found = None if router is None else router.map.common_address(operations)
        return found or self.address

    def doubt(self) -> None:
        """Refresh the topology before the next request, if there are several nodes."""
        if self._router is not None:
            self._router.map.doubt()

    def nodes_of(self, operations: Sequence[Operation]) -> tuple[Address, ...]:
        """Return the addresses of the nodes of a Cluster for *operations*, sorted."""
        router = self._router
        if router is None or not router.map.is_sharded:
            return ()
        return router.nodes_of(operations)

    @property
    def positions(self) -> Positions | None:
        """The positions of the writes of this process, if replicas are read."""
        self.endpoint  # noqa: B018 - opened on first use
        if self._router is None or not self.reads_replicas:
            return None
        return self._router.replicas.positions

    def read(self, operations: Sequence[Operation], reading: Reading) -> list[Any]:
        """Return the raw replies of a replica that has the last writes, or the primary.

        One round trip, two if no replica has them.
        """
        router = self._router
        if router is None:
            return self.send(operations)
        try:
            return self._explained(operations, router.read(operations, reading))
        except RedisError as error:
            self._explain_failure(error)
            raise

    async def aread(
        self, operations: Sequence[Operation], reading: Reading
    ) -> list[Any]:
        """See read()."""
        router = self._router
        if router is None:
            return await self.asend(operations)
        try:
            return self._explained(operations, await router.aread(operations, reading))
        except RedisError as error:
            self._explain_failure(error)
            raise

    @property
    def client(self) -> redis.Redis:
        """redis-py's client for your own commands, over the same pool.

        That of a Cluster is a RedisCluster with connections of its own.
        """
        if self._client is None:
            pool = self._pool or self._open()
            if self._router is not None:
                self._client = cast("redis.Redis", client(self._router))
            else:
                self._client = redis.Redis(connection_pool=pool)
        return self._client

    @property
    def aclient(self) -> redis.asyncio.Redis:
        """redis-py's async client of the running event loop. See client."""
        endpoint = self.endpoint
        if self._router is not None:
            return cast("redis.asyncio.Redis", async_client(self._router))
        return pools_of_running_loop().client(endpoint)

    def close(self) -> None:
        """Close the idle sync connections, except those of a cache's pool."""
        if self._router is not None:
            self._router.close()
            if isinstance(self._client, RedisCluster):
                self._client.disconnect_connection_pools()  # close() would end it
        elif self._pool is not None and self.endpoint.shared_pool is None:
            self._pool.close_idle()

    async def aclose(self) -> None:
        """Close the idle connections of the running loop."""
        endpoint = self.endpoint
        if self._router is not None:
            await self._router.aclose()
        else:
            await pools_of_running_loop().retire(endpoint)

    def _explained(
        self, operations: Sequence[Operation], replies: list[Any]
    ) -> list[Any]:
        """Return the replies of the router, with the alias in their errors."""
        if [each for each in replies if isinstance(each, RedisError)]:
            self._explain(operations, replies)
        if type(replies) is Unconfirmed:
            explain_shortage(self.alias.name, replies)
        return replies

    def _open(self) -> Any:
        endpoint = self.endpoint
        if self._router is not None:
            self._pool = self._router
        elif endpoint.shared_pool is None:
            self._pool = pools.get(self.endpoint)
        else:
            from .cache_pools import NoRetryPool

            self._pool = NoRetryPool(self.endpoint.shared_pool)
        return self._pool

    def _annotate(self, error: RedisError) -> None:
        where = f"at {self.endpoint.safe_url}"
        notes = [f"ORMIST alias {self.alias.name!r} {where}"]
        if is_unreachable(error):
            notes.append("No server listens there. Start it, or set another LOCATION.")
        error.__notes__ = [*notes, *getattr(error, "__notes__", ())]

    def _explain_failure(self, error: RedisError) -> None:
        """Add the alias. Raise ImproperlyConfigured if the database does not exist."""
        self._annotate(error)
        refuse_database(self.alias.name, self.endpoint, error)

    @contextmanager
    def _only_refusals(self, cause: RedisError) -> Iterator[None]:
        """Raise the AuthenticationError of a server that has not replied yet.

        Redis closes the connection on a long request without a password, and its error
        reply may be lost.
        """
        try:
            yield
        except AuthenticationError as refusal:
            self._annotate(refusal)
            raise refusal from cause
        except RedisError:
            pass  # the cause is raised

    def _explain(self, operations: Sequence[Operation], replies: list[Any]) -> None:
        """Add the alias to the errors in *replies*. Replace those of a Cluster."""
        for i, reply in enumerate(replies):
            if operations[i].command == "SORT" and is_forbidden(reply):
                self.refused.add("SORT")
            if isinstance(reply, RedisError) and not isinstance(reply, NoScriptError):
                self._annotate(reply)
                if self._router is None:
                    replies[i] = explain_node(self.alias.name, self.endpoint, reply)

    @property
    def cluster_url(self) -> str:
        """The URL of the Cluster, if this server is one of its nodes."""
        return cluster_url(self.endpoint)


class Reader:
    """The sender of the operations of a read-only flow, to a replica if possible.

    Writes that remove expired objects go to the primary.
    """

    __slots__ = ("_connection", "_operations", "_reading")

    def __init__(self, connection: Connection, reading: Reading) -> None:
        self._connection = connection
        self._reading = reading
        self._operations: Sequence[Operation] = ()

    @property
    def alias(self) -> Alias:
        """The alias of the connection."""
        return self._connection.alias

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of the connection."""
        return self._connection.endpoint

    @property
    def address(self) -> tuple[str, int | None] | None:
        """The address of the node that answered."""
        reading = self._reading
        if reading.uses_primary or reading.replica is None:
            return self._connection.primary_of(self._operations)
        return reading.replica

    def nodes_of(self, operations: Sequence[Operation]) -> tuple[Address, ...]:
        """Return the replica that answered, or the nodes of the operations."""
        reading = self._reading
        if reading.uses_primary or reading.replica is None:
            return self._connection.nodes_of(operations)
        return (reading.replica,)

    def send(self, operations: Sequence[Operation]) -> list[Any]:
        """See Connection.send()."""
        self._operations = operations
        if any(operation.is_write for operation in operations):
            return self._connection.send(operations)
        return self._connection.read(operations, self._reading)

    async def asend(self, operations: Sequence[Operation]) -> list[Any]:
        """See Connection.send()."""
        self._operations = operations
        if any(operation.is_write for operation in operations):
            return await self._connection.asend(operations)
        return await self._connection.aread(operations, self._reading)


def _is_repeatable(operations: Sequence[Operation], error: BaseException) -> bool:
    """Return whether to send the operations again: reads on a broken connection."""
    is_write = any(operation.is_write for operation in operations)
    return is_broken(error) and not is_write


def _replace_replies(
    repeated: list[Any], positions: list[int], replies: list[Any]
) -> None:
    for i, reply in zip(positions, repeated, strict=True):
        replies[i] = reply
