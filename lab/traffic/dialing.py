"""Opens connections to the target, with TLS if its URL says so."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import TypeVar

from ..errors import EnvironmentProblemError
from ..services.tls import CERTIFICATE_HELP, handshake_problem
from ..services.traffic_target import TrafficTarget, name_of
from .connection import Exchange

HANDSHAKE_WITHIN_S = 3.0
P = TypeVar("P", bound=asyncio.Protocol)


class Dialer:
    """Opens connections to the address where all requests of a run enter."""

    def __init__(self, target: TrafficTarget, context: ssl.SSLContext | None) -> None:
        """`context` is None without TLS."""
        self._target = target
        self._context = context

    async def connect(self, exchange: Exchange, protocol: Callable[[], P]) -> P:
        """Return a new connection for this request. Raise OSError; `exchange.handshaking` tells whether TLS failed."""
        loop = asyncio.get_running_loop()
        if self._context is None:
            return (await loop.create_connection(protocol, self._target.address, self._target.port))[1]
        connection = await self._connected()
        exchange.handshaking = True
        try:
            name = exchange.server_name or name_of(self._target.host)
            _, opened = await loop.create_connection(protocol, sock=connection, ssl=self._context, server_hostname=name)
        except BaseException:
            connection.close()
            raise
        exchange.handshaking = False
        return opened

    async def check(self, server_names: Iterable[str]) -> None:
        """Make a TLS handshake for each server name, so that a certificate that is not valid is found before the run.

        A target that accepts no connection is no problem here: the requests will tell. Raise EnvironmentProblemError.
        """
        for name in server_names if self._context is not None else ():
            try:
                async with asyncio.timeout(HANDSHAKE_WITHIN_S):
                    connection = await self._connected()
            except (OSError, TimeoutError):
                return
            await self._check_handshake(connection, name)

    async def _check_handshake(self, connection: socket.socket, name: str) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_WITHIN_S):
                _, writer = await asyncio.open_connection(sock=connection, ssl=self._context, server_hostname=name)
            writer.transport.abort()
        except TimeoutError as error:
            problem = f"{self._target.url} completes no TLS handshake within {HANDSHAKE_WITHIN_S:g} s"
            raise EnvironmentProblemError(problem) from error
        except ssl.SSLCertVerificationError as error:
            problem = f"{self._target.url}: its certificate is not accepted for {name}: {handshake_problem(error)}"
            raise EnvironmentProblemError(problem, CERTIFICATE_HELP) from error
        except OSError as error:
            problem = f"{self._target.url}: the TLS handshake failed: {handshake_problem(error)}"
            raise EnvironmentProblemError(problem) from error
        finally:
            connection.close()

    async def _connected(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._target.address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, (self._target.address, self._target.port))
        except BaseException:
            connection.close()
            raise
        return connection
