"""Idle connections to backends. Each backend has a stack: the last used connection is taken first, so that others
expire."""

from __future__ import annotations

from typing import Final

from ..core.backend import Backend, State
from .limits import Limits
from .ports import BackendConnection, Client

_POOLED_STATES: Final = frozenset({State.UP, State.UNKNOWN})
"""Backend states in which idle connections are kept. A fault that caused another state may have broken them too."""

_FRESH_S: Final = 1.0
"""Seconds of idle time below which a connection is not checked: no backend closes so early."""


class Pool:
    """Keeps idle connections. It never connects; without an idle connection, the caller must."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._idle: dict[Backend, list[BackendConnection]] = {}
        self._by_id: dict[str, list[Backend]] = {}
        """Backends that have had idle connections, by id. An id has two while a removed backend is still draining."""
        self.private: dict[Client, BackendConnection] = {}
        """Idle connections that belong to one client, for example after an NTLM login. The longest idle one is
        first."""

    def take(self, backend: Backend, now: float, *, check_open: bool) -> BackendConnection | None:
        """Return the last used idle connection that is still open, or None.

        With `check_open`, the socket is checked even if the connection was used a moment ago. It is for requests that
        cannot be repeated.
        """
        stack = self._idle.get(backend)
        while stack:
            connection = stack.pop()
            if (check_open or now - connection.idle_since > _FRESH_S) and connection.is_stale():
                connection.abort()
                continue
            return connection
        return None

    def private_backend(self, client: Client) -> str:
        """Return the id of the backend to which this client has a private connection, or an empty string."""
        connection = self.private.get(client)
        return connection.backend.id if connection is not None else ""

    def take_private(self, client: Client, backend: Backend) -> BackendConnection | None:
        """Return the client's private idle connection to `backend` if it is still open."""
        connection = self.private.get(client)
        if connection is None or connection.backend is not backend:
            return None
        del self.private[client]
        if connection.is_stale():
            connection.abort()
            return None
        return connection

    def release_private(self, client: Client, connection: BackendConnection) -> None:
        """Keep a connection for `client` only. It is closed with the client's connection."""
        self.close_private(client)
        if connection.backend.state not in _POOLED_STATES:
            connection.close()
            return
        while len(self.private) >= self.limits.idle_private:
            self.close_private(next(iter(self.private)))
        self.private[client] = connection

    def close_private(self, client: Client) -> None:
        """Close the private connection of the client, if there is one."""
        connection = self.private.pop(client, None)
        if connection is not None:
            connection.close()

    def release(self, connection: BackendConnection, now: float) -> None:
        """Keep a connection whose request has finished, or close it if there are enough."""
        backend = connection.backend
        stack = self._idle.get(backend)
        if backend.state not in _POOLED_STATES or (stack and len(stack) >= self.limits.idle_per_backend):
            connection.close()
            return
        connection.idle_since = now
        if stack is None:
            self._idle[backend] = [connection]
            self._by_id.setdefault(backend.id, []).append(backend)
        else:
            stack.append(connection)

    def remove_ended(self, connection: BackendConnection, now: float) -> bool:
        """Remove a connection that has ended while idle. Return whether it was used so recently that its backend may
        have died."""
        stack = self._idle.get(connection.backend)
        if not stack or connection not in stack:
            for client in [client for client, kept in self.private.items() if kept is connection]:
                del self.private[client]
            return False
        stack.remove(connection)
        return now - connection.idle_since <= _FRESH_S

    def expire(self, now: float) -> None:
        """Close connections that have been idle for too long. The oldest are at the bottom of a stack."""
        oldest = now - self.limits.upstream_idle
        for stack in self._idle.values():
            expired = 0
            while expired < len(stack) and stack[expired].idle_since < oldest:
                stack[expired].close()
                expired += 1
            del stack[:expired]

    def close(self) -> None:
        """Close all idle connections."""
        for backend_id in {*self._by_id, *(connection.backend.id for connection in self.private.values())}:
            self.purge(backend_id)

    def purge(self, backend_id: str) -> None:
        """Close all idle connections to backends of that id, including one that is draining."""
        for backend in self._by_id.pop(backend_id, ()):
            for connection in self._idle.pop(backend):
                connection.close()
        for client in [client for client, kept in self.private.items() if kept.backend.id == backend_id]:
            self.close_private(client)

    def idle(self, backend: Backend) -> int:
        """Return the number of idle connections to `backend`."""
        return len(self._idle.get(backend, ()))


class NoPool(Pool):
    """Keeps no connection, because each one began with a PROXY header for one client and cannot serve another."""

    def release(self, connection: BackendConnection, now: float) -> None:
        """Close a connection whose request has finished."""
        connection.close()
