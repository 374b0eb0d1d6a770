"""TLS in front of a real balancer process, seen by Python's ssl, by openssl and by curl."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from tests.support.lb_shell.balancer_process import running_balancer
from tests.support.lb_shell.stubs import naming, remembering, started, write
from tests.support.lb_shell.tls_files import issued, names_shown, opened, setting, trusting
from tests.support.raw_http import PATIENCE_S, Peer, Stub, answering, status_of

GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def needs(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


async def run(*command: str, text: str = "") -> tuple[int, str]:
    """Exit code and all output of a program."""

    def wait() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False
        )

    done = await asyncio.to_thread(wait)
    return done.returncode, done.stdout


async def test_the_certificate_is_the_one_for_the_name_that_is_asked_for(ca: trustme.CA, tmp_path: Path) -> None:
    pairs = [issued(ca, tmp_path, *names) for names in (("default.test",), ("a.test", "b.test"), ("*.wild.test",))]
    stub = Stub("api-1", answering())
    async with started(stub):
        config = write(tmp_path, naming(stub), setting(*pairs))
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            port = balancer.port()
            assert await names_shown(port, "a.test", ca) == ["a.test", "b.test"]
            assert await names_shown(port, "B.test", ca) == ["a.test", "b.test"]
            assert await names_shown(port, "x.wild.test", ca) == ["*.wild.test"]
            for name in ("x.y.wild.test", "wild.test", "unknown.test"):
                assert await names_shown(port, name, ca, check=False) == ["default.test"], name
            assert await names_shown(port, None, ca, check=False) == ["default.test"]


async def test_only_modern_tls_is_spoken_and_http_1_1_is_agreed_on(ca: trustme.CA, tmp_path: Path) -> None:
    openssl = needs("openssl")
    stub = Stub("api-1", answering())
    async with started(stub):
        config = write(tmp_path, naming(stub), setting(issued(ca, tmp_path, "a.test")))
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            client = [openssl, "s_client", "-connect", f"127.0.0.1:{balancer.port()}", "-servername", "a.test"]

            code, said = await run(*client, "-alpn", "h2,http/1.1", "-tls1_3")
            assert code == 0
            assert "ALPN protocol: http/1.1" in said
            code, said = await run(*client, "-tls1_2")
            assert code == 0
            assert "ECDHE-" in said
            assert "GCM" in said or "CHACHA20" in said
            for old in (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"]):
                code, said = await run(*client, *old)
                assert code != 0, said

            plain = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))
            await plain.send(GET)
            assert b"HTTP" not in await plain.to_end()
            plain.close()


async def test_backends_learn_that_the_client_came_over_tls(ca: trustme.CA, tmp_path: Path) -> None:
    curl = needs("curl")
    stub = remembering()
    root = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(root)
    async with started(stub):
        config = write(tmp_path, naming(stub), setting(issued(ca, tmp_path, "a.test")))
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            url = f"https://a.test:{balancer.port()}/"
            resolve = f"a.test:{balancer.port()}:127.0.0.1"
            code, said = await run(curl, "-sS", "--fail", "--cacert", str(root), "--resolve", resolve, url)
            assert (code, said) == (0, "ok")
    (head,) = stub.heads
    assert b"X-Forwarded-Proto: https\r\n" in head
    assert b"proto=https" in head


async def test_new_certificates_are_taken_at_a_reload_and_no_connection_is_lost(ca: trustme.CA, tmp_path: Path) -> None:
    files = issued(ca, tmp_path, "a.test", "old.test", stem="site")
    stub = Stub("api-1", answering())
    async with started(stub):
        config = write(tmp_path, naming(stub), setting(files))
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            before = Peer(*await opened(balancer.port(), "a.test", trusting(ca)))
            await before.send(GET)
            assert status_of((await before.response())[0]) == 200

            issued(ca, tmp_path, "a.test", "new.test", stem="site")  # the same files, as a renewal leaves them
            assert await names_shown(balancer.port(), "a.test", ca) == ["a.test", "old.test"], "until told so"
            balancer.signal(signal.SIGHUP)
            told = await balancer.line("reloaded")
            assert told["changed"] == ["tls.certificates (files)"]
            assert await names_shown(balancer.port(), "a.test", ca) == ["a.test", "new.test"]

            more = issued(ca, tmp_path, "c.test")
            write(tmp_path, naming(stub), setting(files, more))
            status, answer = await balancer.call("POST", "/reload")
            assert status == 200
            assert {change["key"] for change in answer["changed"]} == {"tls.certificates", "tls.certificates (files)"}
            assert await names_shown(balancer.port(), "c.test", ca) == ["c.test"]

            await before.send(GET)
            assert status_of((await before.response())[0]) == 200
            before.close()


async def test_a_reload_with_a_broken_certificate_changes_nothing(ca: trustme.CA, tmp_path: Path) -> None:
    cert, key = issued(ca, tmp_path, "a.test")
    _, other = issued(ca, tmp_path, "b.test")
    stub = Stub("api-1", answering())
    async with started(stub):
        config = write(tmp_path, naming(stub), setting((cert, key)))
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            write(tmp_path, naming(stub), setting((cert, other)), "policy: random")
            status, answer = await balancer.call("POST", "/reload")
            assert status == 422
            assert answer["detail"] == f"tls.certificates.0.key: {other}: is not the key of the certificate {cert}"
            assert await names_shown(balancer.port(), "a.test", ca) == ["a.test"]
            assert (await balancer.get("/config"))["policy"] == "round_robin"
            write(tmp_path, naming(stub))
            status, answer = await balancer.call("POST", "/reload")
            assert (status, answer["error"]) == (409, "conflict")
            assert answer["detail"] == "tls: cannot change while the balancer runs; restart it"


async def test_an_expired_certificate_is_served_with_a_warning_and_a_metric(ca: trustme.CA, tmp_path: Path) -> None:
    cert, key = issued(ca, tmp_path, "a.test", ended=True)
    stub = Stub("api-1", answering())
    async with started(stub):
        config = write(tmp_path, naming(stub), setting((cert, key)))
        async with running_balancer("--config", str(config)) as balancer:
            await balancer.ready()
            clock = await balancer.get("/clock")
            expiry = await balancer.metric(f'lb_tls_certificate_expiry_timestamp_seconds{{certificate="{cert}"}}')
            assert clock["unix"] - 86_400 - 60 < expiry < clock["unix"] - 86_400 + 60
            with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
                await names_shown(balancer.port(), "a.test", ca)
            balancer.signal(signal.SIGHUP)  # which warns again, where the test can read it
            warning = await balancer.line("warning")
            assert warning["text"].startswith(f"tls: the certificate {cert} has expired on 20")


async def test_a_client_that_never_finishes_its_handshake_is_cut_off(ca: trustme.CA, tmp_path: Path) -> None:
    stub = Stub("api-1", answering())
    async with started(stub):
        tls = setting(issued(ca, tmp_path, "a.test")) + "  handshake_timeout: 300ms\n"
        async with running_balancer("--config", str(write(tmp_path, naming(stub), tls))) as balancer:
            await balancer.ready()
            peer = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))
            async with asyncio.timeout(PATIENCE_S):
                assert await peer.ended()
            peer.close()
            assert (await balancer.line("refused"))["reason"] == "tls_handshake_slow"


@pytest.mark.parametrize("sent", [GET, b"\x16\x03\x01\x00\x05hello", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n"])
async def test_what_is_no_handshake_is_closed_without_a_word_and_logged_once(
    ca: trustme.CA, tmp_path: Path, sent: bytes
) -> None:
    stub = Stub("api-1", answering())
    async with started(stub):
        tls = setting(issued(ca, tmp_path, "a.test"))
        async with running_balancer("--config", str(write(tmp_path, naming(stub), tls))) as balancer:
            await balancer.ready()
            visitor = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))
            visitor.close()  # connects and no more, as a check does: nobody's mistake
            peer = Peer(*await asyncio.open_connection("127.0.0.1", balancer.port()))
            await peer.send(sent)
            answer = await peer.to_end()
            assert b"HTTP" not in answer, "at most an alert of TLS"
            peer.close()
            refused = await balancer.line("refused")
            assert (refused["reason"], refused["status"], refused["client"]) == ("tls_handshake", None, "127.0.0.1")
            assert await balancer.metric('lb_errors_total{reason="tls_handshake"}') == 1
