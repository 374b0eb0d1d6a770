"""Certificates: which one a name gets, and what is wrong with those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from lb.config.listener_settings import Tls
from lb.errors import ConfigError
from lb.process.tls import Certificates, expiry_warnings
from tests.support.lb_shell.tls_files import issued


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


def certificates(*pairs: tuple[Path, Path]) -> Certificates:
    return Certificates(Tls(certificates=[{"cert": str(cert), "key": str(key)} for cert, key in pairs]))  # type: ignore[arg-type]  # as written


def problems(*pairs: tuple[Path, Path]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        certificates(*pairs)
    return list(caught.value.problems)


def test_exact_beats_wildcard_beats_the_first(ca: trustme.CA, tmp_path: Path) -> None:
    found = certificates(
        issued(ca, tmp_path, "first.test"),
        issued(ca, tmp_path, "*.a.test"),
        issued(ca, tmp_path, "x.a.test", "first.test", stem="exact"),
    )

    for name, stem in [
        ("x.a.test", "exact"),
        ("X.A.TEST.", "exact"),
        ("y.a.test", "wildcard.a.test"),
        ("a.test", "first.test"),
        ("y.x.a.test", "first.test"),
        ("first.test", "first.test"),
        (None, "first.test"),
        ("", "first.test"),
    ]:
        assert found.select(name).path.stem == stem, name


def test_every_file_that_cannot_be_used_is_named_with_the_reason(ca: trustme.CA, tmp_path: Path) -> None:
    cert, key = issued(ca, tmp_path, "a.test")
    _, other = issued(ca, tmp_path, "b.test")
    nothing, text = tmp_path / "nothing", tmp_path / "text"
    text.write_text("hello\n")

    assert problems((nothing, key), (cert, nothing), (text, key), (cert, text), (cert, other)) == [
        f"tls.certificates.0.cert: {nothing}: cannot be read: No such file or directory",
        f"tls.certificates.1.key: {nothing}: cannot be read: No such file or directory",
        f"tls.certificates.2.cert: {text}: contains no certificate in PEM",
        f"tls.certificates.3.key: {text}: contains no usable private key in PEM",
        f"tls.certificates.4.key: {other}: is not the key of the certificate {cert}",
    ]


def test_an_encrypted_key_is_refused_and_not_asked_about(ca: trustme.CA, tmp_path: Path) -> None:
    cert, key = issued(ca, tmp_path, "a.test")
    plain = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))

    assert problems((cert, key)) == [
        f"tls.certificates.0.key: {key}: is encrypted; expected a private key without a passphrase"
    ]


def test_one_path_may_hold_both(ca: trustme.CA, tmp_path: Path) -> None:
    cert, key = issued(ca, tmp_path, "a.test")
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    settings = Tls.model_validate({"certificates": f"{both},{both}"})

    assert [one.path for one in Certificates(settings).served] == [both, both]


def test_warnings_come_a_week_before_the_end(ca: trustme.CA, tmp_path: Path) -> None:
    found = certificates(issued(ca, tmp_path, "a.test"))
    end = found.served[0].expires

    assert expiry_warnings(found, end - 8 * 86_400) == []
    (soon,) = expiry_warnings(found, end - 6 * 86_400)
    (late,) = expiry_warnings(found, end + 1)
    assert " expires on " in soon
    assert " has expired on " in late
    assert expiry_warnings(None, end) == []
