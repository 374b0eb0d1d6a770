"""Connections that speak for one client, such as after an NTLM login: nobody else may ever speak on them."""

from __future__ import annotations

import pytest

from lb.core.backend import State
from lb.core.settings import RetrySettings, Settings
from lb.proxy.limits import Limits
from tests.support.raw_http import Lab, Peer, Stub, answering, proxy, status_of, value_of

ONCE = Settings(retry=RetrySettings(per_try_timeout=2.0, total_timeout=5.0, hedge=False))


def ask(*fields: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in (b"GET / HTTP/1.1", b"Host: a", *fields, b""))


def said(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *fields, b"", body)
    return b"\r\n".join(lines)


class Bank(Stub):
    """A backend that authenticates connections: `Authorization: <scheme> user-<name>` logs the connection in."""

    def __init__(self, stub_id: str, challenge: bytes = b"WWW-Authenticate: NTLM") -> None:
        super().__init__(stub_id, self._serve)
        self._challenge = challenge

    async def _serve(self, peer: Peer) -> None:
        user = b""
        while True:
            credentials = value_of(await peer.reader.readuntil(b"\r\n\r\n"), b"authorization") or b""
            if b"user-" in credentials:
                user = credentials.rpartition(b"user-")[2]
            if user:
                await peer.send(said(user))
            else:
                await peer.send(said(b"nobody", self._challenge, status=b"401 Unauthorized"))


async def logged_in(lab: Lab, name: bytes, scheme: bytes = b"NTLM") -> Peer:
    client = await lab.connect()
    await client.send(ask())
    assert status_of((await client.response())[0]) == 401
    await client.send(ask(b"Authorization: " + scheme + b" hello"))
    await client.response()
    await client.send(ask(b"Authorization: " + scheme + b" user-" + name))
    assert (await client.response())[1] == name
    return client


async def who(client: Peer) -> bytes:
    await client.send(ask())
    return (await client.response())[1]


CHALLENGES = [
    b"WWW-Authenticate: NTLM",
    b"www-authenticate: negotiate",
    b"WWW-Authenticate: Negotiate oRQwEqADCgEA",
    b'WWW-Authenticate: Basic realm="x", NTLM',
    b'WWW-Authenticate: Basic realm="x"\r\nWWW-Authenticate: nTlM',
    b"Proxy-Authenticate: NTLM",
    b"WWW-Authenticate: Kerberos",
    b"Persistent-Auth: true",
]


@pytest.mark.parametrize("challenge", CHALLENGES, ids=bytes.decode)
async def test_nobody_speaks_on_a_connection_that_somebody_logged_in_on(challenge: bytes) -> None:
    """The scheme of the credentials is one that we do not know: the challenge alone has to be enough."""
    async with proxy(Bank("api-1", challenge), Bank("api-2", challenge), settings=ONCE) as lab:
        alice, bob = await logged_in(lab, b"alice", b"Secret"), await lab.connect()
        for _ in range(4):
            assert await who(bob) == b"nobody"
            assert await who(alice) == b"alice"
        alice.close()
        bob.close()


@pytest.mark.parametrize("scheme", [b"NTLM", b"negotiate", b"Kerberos"])
async def test_credentials_of_such_a_scheme_are_enough_without_a_challenge(scheme: bytes) -> None:
    async with proxy(Bank("api-1", b"X: y"), settings=ONCE) as lab:
        alice, bob = await lab.connect(), await lab.connect()
        await alice.send(ask(b"Authorization: " + scheme + b" user-alice"))
        assert (await alice.response())[1] == b"alice"
        assert await who(bob) == b"nobody"
        assert await who(alice) == b"alice"
        alice.close()
        bob.close()


async def test_two_clients_who_log_in_at_the_same_backend_stay_apart() -> None:
    async with proxy(Bank("api-1"), settings=ONCE) as lab:
        alice, bob = await logged_in(lab, b"alice"), await logged_in(lab, b"bob")
        assert [await who(alice), await who(bob), await who(alice)] == [b"alice", b"bob", b"alice"]
        alice.close()
        bob.close()


@pytest.mark.parametrize("reset", [False, True])
async def test_the_connection_goes_when_its_client_goes(reset: bool) -> None:
    bank = Bank("api-1")
    async with proxy(bank, settings=ONCE) as lab:
        alice = await logged_in(lab, b"alice")
        if reset:
            alice.reset()
        else:
            alice.close()
        await lab.settled(lambda: not bank._tasks, "the backend sees its connection end")
        assert not lab.server._plane.pool.private
        bob = await lab.connect()
        assert await who(bob) == b"nobody"
        bob.close()


async def test_a_client_whose_connection_ended_is_asked_to_log_in_again() -> None:
    bank = Bank("api-1")
    async with proxy(bank, settings=ONCE) as lab:
        alice = await logged_in(lab, b"alice")
        bank.peers[0].reset()
        await lab.settled(lambda: not lab.server._plane.pool.private, "its end is seen")
        assert await who(alice) == b"nobody"
        alice.close()


async def test_what_takes_a_backend_out_ends_the_connections_that_clients_have_to_it() -> None:
    bank = Bank("api-1")
    async with proxy(bank, Bank("api-2"), settings=ONCE) as lab:
        alice = await logged_in(lab, b"alice")
        (connection,) = lab.server._plane.pool.private.values()
        lab.balancer.set_state(connection.backend.id, State.MAINT, lab.server._plane.clock())
        assert not lab.server._plane.pool.private
        assert await who(alice) == b"nobody"
        alice.close()


async def test_the_one_idle_longest_is_closed_where_too_many_clients_have_one() -> None:
    async with proxy(Bank("api-1"), settings=ONCE, limits=Limits(idle_private=2)) as lab:
        clients = [await logged_in(lab, name) for name in (b"a", b"b", b"c")]
        assert [await who(clients[number]) for number in (2, 1, 0)] == [b"c", b"b", b"nobody"]
        for client in clients:
            client.close()


async def test_a_request_on_such_a_connection_is_not_hedged() -> None:
    """Another backend knows nothing of the login, and would be quicker to say so."""

    async def slow(peer: Peer) -> None:
        await peer.head()
        await peer.send(said(b"go on", b"WWW-Authenticate: NTLM", status=b"401 Unauthorized"))
        await peer.head()
        await lab.settled(hedged, "the core has asked for a hedge")
        await peer.send(said(b"alice"))

    def hedged() -> bool:
        return any(type(event).__name__ == "Hedged" for event in lab.events)

    settings = Settings(retry=RetrySettings(per_try_timeout=4.0, total_timeout=8.0))
    async with proxy(Stub("api-1", slow), Stub("api-2", answering()), settings=settings) as lab:
        alice = await lab.connect()
        assert await who(alice) == b"go on"
        await alice.send(ask(b"Authorization: NTLM user-alice"))
        assert (await alice.response())[1] == b"alice"
        alice.close()


async def test_ordinary_schemes_and_words_that_only_look_alike_share_connections() -> None:
    stub = Stub("api-1", answering(said(b"ok", b'WWW-Authenticate: Basic realm="ntlmish"', status=b"401 Unauthorized")))
    async with proxy(stub) as lab:
        for _ in range(3):
            await lab.exchange(ask(b"Authorization: Bearer negotiate-x"))
    assert stub.connections == 1


async def test_a_client_with_a_connection_of_its_own_may_still_switch_protocols() -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(said(b"no", b"WWW-Authenticate: Negotiate", status=b"401 Unauthorized"))
        await peer.head()
        await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhi")
        await peer.ended()

    stub = Stub("api-1", script)
    async with proxy(stub) as lab:
        client = await lab.connect()
        assert await who(client) == b"no"
        await client.send(ask(b"Connection: upgrade", b"Upgrade: x"))
        assert status_of(await client.head()) == 101
        assert await client.exactly(2) == b"hi"
        client.close()
    assert stub.connections == 1


async def test_a_post_follows_its_login_and_the_next_client_gets_a_shared_connection() -> None:
    async def script(peer: Peer) -> None:
        user = b"nobody"
        while True:
            head = await peer.head()
            await peer.exactly(int(value_of(head, b"content-length") or b"0"))
            credentials = value_of(head, b"authorization")
            user = b"alice" if credentials else user
            await peer.send(said(user))

    stub = Stub("api-1", script)
    async with proxy(stub) as lab:
        alice, bob = await lab.connect(), await lab.connect()
        await alice.send(b"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM x\r\nContent-Length: 2\r\n\r\nhi")
        assert (await alice.response())[1] == b"alice"
        for _ in range(3):
            assert await who(bob) == b"nobody"
            assert (await lab.exchange(ask()))[1] == b"nobody"
        assert await who(alice) == b"alice"
        alice.close()
        bob.close()
    assert stub.connections == 2
