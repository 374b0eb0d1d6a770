from __future__ import annotations

import os
from pathlib import Path

import pytest

from chaos.access.auth import SHARED, check_origin, check_token, load_token
from chaos.errors import ForbiddenOriginError, UnauthorizedError


def test_the_token_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token, is_new = load_token(path)
    assert is_new
    assert len(token) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_token(path) == (token, False)


def test_a_token_file_that_a_crash_left_empty_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch()
    token, is_new = load_token(path)
    assert is_new
    assert token


def test_a_shared_token_is_readable_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        load_token(tmp_path / "token", SHARED)
    finally:
        os.umask(before)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("header", ["Bearer secret", "bearer secret", "Bearer  secret "])
def test_the_right_token_passes(header: str) -> None:
    check_token(header, "secret")


@pytest.mark.parametrize(
    "header", [None, "", "secret", "Bearer", "Bearer secre", "Bearer secrets", "Basic secret", "Bearer é"]
)
def test_any_other_does_not(header: str | None) -> None:
    with pytest.raises(UnauthorizedError):
        check_token(header, "secret")


@pytest.mark.parametrize("host", ["127.0.0.1:8082", "localhost:8082", "[::1]:8082", "chaos:8082", "172.18.0.5"])
def test_hosts_that_dns_cannot_point_here_are_served(host: str) -> None:
    check_origin([host], [])
    check_origin([host], [f"http://{host}"])


@pytest.mark.parametrize(
    ("hosts", "origins"),
    [
        (["rebound.example.org:8082"], []),
        ([""], []),
        ([], []),
        (["127.0.0.1:8082", "rebound.example.org"], []),
        (["127.0.0.1:8082"], ["https://example.org"]),
        (["127.0.0.1:8082"], ["http://127.0.0.1:8082", "https://example.org"]),
        (["127.0.0.1:8082"], ["http://127.0.0.1:9999"]),
        (["127.0.0.1:8082"], ["null"]),
    ],
)
def test_other_sites_and_rebound_names_are_not(hosts: list[str], origins: list[str]) -> None:
    with pytest.raises(ForbiddenOriginError):
        check_origin(hosts, origins)


def test_bytes_that_are_no_utf_8_are_a_wrong_token() -> None:
    with pytest.raises(UnauthorizedError):
        check_token(b"Bearer \xff\xfe".decode("utf-8", "surrogateescape"), "secret")
