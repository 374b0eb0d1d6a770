"""Idle connections: who is taken, who ages out, and who is not kept at all."""

from __future__ import annotations

from typing import cast

import pytest

from lb.core.backend import Backend, State
from lb.proxy.data_plane import Client
from lb.proxy.limits import Limits
from lb.proxy.pool import Pool
from lb.proxy.upstream import UpstreamConnection


class Connection:
    """The four things that the pool knows of a connection."""

    def __init__(self, backend: Backend, *, stale: bool = False) -> None:
        self.backend = backend
        self.idle_since = 0.0
        self.open = True
        self.looks = 0
        self._stale = stale

    def is_stale(self) -> bool:
        self.looks += 1
        return self._stale

    def close(self) -> None:
        self.open = False

    abort = close


def up(name: str = "api-1") -> Backend:
    return Backend(name, "127.0.0.1", 1, state=State.UP)


def keep(pool: Pool, connection: Connection, now: float = 0.0) -> Connection:
    pool.release(cast(UpstreamConnection, connection), now)
    return connection


def test_the_last_one_used_is_taken_first_so_that_the_others_age_out() -> None:
    backend = up()
    pool = Pool(Limits(upstream_idle=30))
    old, new = keep(pool, Connection(backend), now=0), keep(pool, Connection(backend), now=20)

    pool.expire(now=31)

    assert (old.open, new.open) == (False, True)
    assert pool.take(backend, 31, check_open=False) is new
    assert pool.take(backend, 31, check_open=False) is None


def test_backends_do_not_share() -> None:
    pool = Pool(Limits())
    keep(pool, Connection(up("api-1")))
    assert pool.take(up("api-1"), 0, check_open=False) is None, "the same id is not the same backend"


def test_stale_connections_are_passed_over() -> None:
    backend = up()
    pool = Pool(Limits())
    good, stale = keep(pool, Connection(backend)), keep(pool, Connection(backend, stale=True))

    assert pool.take(backend, 0, check_open=True) is good
    assert not stale.open


@pytest.mark.parametrize(("idle_s", "check_open", "looks"), [(0.1, False, 0), (5.0, False, 1), (0.1, True, 1)])
def test_the_socket_is_looked_into_only_where_that_can_matter(idle_s: float, check_open: bool, looks: int) -> None:
    backend = up()
    pool = Pool(Limits())
    connection = keep(pool, Connection(backend))
    pool.take(backend, idle_s, check_open=check_open)
    assert connection.looks == looks


@pytest.mark.parametrize("state", [State.DOWN, State.EJECTED, State.DRAIN, State.MAINT])
def test_nothing_is_kept_for_a_backend_that_is_out(state: State) -> None:
    backend = up()
    backend.state = state
    assert not keep(Pool(Limits()), Connection(backend)).open


def test_more_than_the_limit_is_closed() -> None:
    backend = up()
    pool = Pool(Limits(idle_per_backend=2))
    assert [keep(pool, Connection(backend)).open for _ in range(3)] == [True, True, False]


def test_a_purge_closes_one_backends_connections_and_no_others() -> None:
    doomed, other = up("api-1"), up("api-2")
    pool = Pool(Limits())
    gone, kept = keep(pool, Connection(doomed)), keep(pool, Connection(other))

    pool.purge(doomed.id)

    assert (gone.open, kept.open) == (False, True)
    assert pool.idle(doomed) == 0


def test_a_connection_that_ended_while_idle_is_forgotten_once_or_never() -> None:
    backend = up()
    pool = Pool(Limits())
    connection = cast(UpstreamConnection, keep(pool, Connection(backend)))
    assert pool.remove_ended(connection, 0.5)
    assert not pool.remove_ended(connection, 0.5)
    assert pool.take(backend, 0, check_open=False) is None


def test_one_that_had_been_idle_for_long_says_nothing_of_its_backend() -> None:
    pool = Pool(Limits())
    assert not pool.remove_ended(cast(UpstreamConnection, keep(pool, Connection(up()))), 5.0)


def own(pool: Pool, client: object, connection: Connection) -> Connection:
    pool.release_private(cast(Client, client), cast(UpstreamConnection, connection))
    return connection


def test_a_clients_own_connection_is_nobody_elses() -> None:
    backend, alice, bob = up(), object(), object()
    pool = Pool(Limits())
    connection = own(pool, alice, Connection(backend))

    assert pool.take(backend, 0, check_open=False) is None
    assert pool.take_private(cast(Client, bob), backend) is None
    assert pool.take_private(cast(Client, alice), up("api-2")) is None
    assert (pool.private_backend(cast(Client, alice)), pool.private_backend(cast(Client, bob))) == ("api-1", "")
    assert pool.take_private(cast(Client, alice), backend) is connection
    assert not pool.private


def test_a_clients_own_connection_is_looked_into_each_time() -> None:
    backend, alice = up(), object()
    pool = Pool(Limits())
    connection = own(pool, alice, Connection(backend, stale=True))
    assert pool.take_private(cast(Client, alice), backend) is None
    assert (connection.looks, connection.open) == (1, False)


def test_a_clients_own_connection_ends_with_the_client_its_backend_or_a_newer_one() -> None:
    for ending in ("client", "backend", "newer", "all", "out"):
        backend, alice = up(), object()
        pool = Pool(Limits())
        if ending == "out":
            backend.state = State.EJECTED
        connection = own(pool, alice, Connection(backend))
        if ending == "client":
            pool.close_private(cast(Client, alice))
        elif ending == "backend":
            pool.purge(backend.id)
        elif ending == "newer":
            assert own(pool, alice, Connection(up("api-2"))).open
        elif ending == "all":
            pool.close()
        assert not connection.open, ending


def test_where_too_many_clients_have_their_own_the_one_idle_longest_goes() -> None:
    pool = Pool(Limits(idle_private=2))
    clients = [object() for _ in range(3)]
    connections = [own(pool, client, Connection(up())) for client in clients]
    assert [connection.open for connection in connections] == [False, True, True]


def test_a_clients_own_connection_that_ended_is_forgotten_and_says_nothing_of_its_backend() -> None:
    pool = Pool(Limits())
    connection = own(pool, object(), Connection(up()))
    assert not pool.remove_ended(cast(UpstreamConnection, connection), 0.1)
    assert not pool.private
