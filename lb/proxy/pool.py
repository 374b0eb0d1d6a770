"""Idle connections to backends, one stack for each: the one used last is taken first, so that spare ones age out."""

from __future__ import annotations

from typing import Final

from ..core.backend import Backend, State
from .limits import Limits
from .ports import BackendConnection, Client

_POOLED_STATES: Final = frozenset({State.UP, State.UNKNOWN})
"""A backend on its way out, or in doubt, gets no idle connections: whatever broke it may have broken them."""

_FRESH_S: Final = 1.0
"""A connection idle for less is taken unseen: no backend closes that early, and the look costs a system call."""


class Pool:
    """Never retries and never connects: an empty stack is the caller's to deal with."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._idle: dict[Backend, list[BackendConnection]] = {}
        self._known_as: dict[str, list[Backend]] = {}
        """Backends with a stack, by id: usually one, two while one of them drains out."""
        self.private: dict[Client, BackendConnection] = {}
        """Idle connections that speak for one client, such as after an NTLM login; the one idle longest is first."""

    def take(self, backend: Backend, now: float, *, careful: bool) -> BackendConnection | None:
        """The most recently used idle connection that is still open.

        `careful` looks into the socket even when the connection was in use a moment ago: for requests that cannot be
        repeated once they are sent.
        """
        stack = self._idle.get(backend)
        while stack:
            connection = stack.pop()
            if (careful or now - connection.idle_since > _FRESH_S) and connection.is_stale():
                connection.abort()
                continue
            return connection
        return None

    def private_to(self, client: Client) -> str:
        """Id of the backend to which this client has a connection of its own; empty without one."""
        connection = self.private.get(client)
        return connection.backend.id if connection is not None else ""

    def take_own(self, client: Client, backend: Backend) -> BackendConnection | None:
        """The client's own idle connection to `backend`, if it is still open."""
        connection = self.private.get(client)
        if connection is None or connection.backend is not backend:
            return None
        del self.private[client]
        if connection.is_stale():
            connection.abort()
            return None
        return connection

    def keep_for(self, client: Client, connection: BackendConnection) -> None:
        """Keep a connection that speaks for `client`: nobody else gets it, and it ends with the client's."""
        self.left(client)
        if connection.backend.state not in _POOLED_STATES:
            connection.close()
            return
        while len(self.private) >= self.limits.idle_private:
            self.left(next(iter(self.private)))
        self.private[client] = connection

    def left(self, client: Client) -> None:
        """The client is gone, or wants its own connection no more."""
        connection = self.private.pop(client, None)
        if connection is not None:
            connection.close()

    def release(self, connection: BackendConnection, now: float) -> None:
        """Keep a connection that has finished its request, or close it where there is no use for it."""
        backend = connection.backend
        stack = self._idle.get(backend)
        if backend.state not in _POOLED_STATES or (stack and len(stack) >= self.limits.idle_per_backend):
            connection.close()
            return
        connection.idle_since = now
        if stack is None:
            self._idle[backend] = [connection]
            self._known_as.setdefault(backend.id, []).append(backend)
        else:
            stack.append(connection)

    def forget(self, connection: BackendConnection, now: float) -> bool:
        """The connection ended while idle. True if that was so soon after its last use that its backend may be gone."""
        stack = self._idle.get(connection.backend)
        if not stack or connection not in stack:
            for client in [client for client, kept in self.private.items() if kept is connection]:
                del self.private[client]
            return False
        stack.remove(connection)
        return now - connection.idle_since <= _FRESH_S

    def expire(self, now: float) -> None:
        """Close what has been idle too long. The bottom of a stack is its oldest."""
        oldest = now - self.limits.upstream_idle
        for stack in self._idle.values():
            expired = 0
            while expired < len(stack) and stack[expired].idle_since < oldest:
                stack[expired].close()
                expired += 1
            del stack[:expired]

    def close(self) -> None:
        """Close all idle connections."""
        for backend_id in {*self._known_as, *(connection.backend.id for connection in self.private.values())}:
            self.purge(backend_id)

    def purge(self, backend_id: str) -> None:
        """Close all idle connections to the backend of that id; if one drains out beside it, to both."""
        for backend in self._known_as.pop(backend_id, ()):
            for connection in self._idle.pop(backend):
                connection.close()
        for client in [client for client, kept in self.private.items() if kept.backend.id == backend_id]:
            self.left(client)

    def idle(self, backend: Backend) -> int:
        """How many idle connections there are to `backend`."""
        return len(self._idle.get(backend, ()))


class NoPool(Pool):
    """Keeps nothing: each connection was introduced to its backend as one client's, and is nobody else's."""

    def release(self, connection: BackendConnection, now: float) -> None:
        """Close a connection that has finished its request."""
        connection.close()
