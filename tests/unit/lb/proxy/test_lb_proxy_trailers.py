"""Trailer fields: an allow list, and what is refused rather than left out."""

from __future__ import annotations

import pytest

from lb.core.headers import Field
from lb.proxy.limits import Limits
from lb.proxy.request_framing import MalformedError
from lb.proxy.trailers import ALLOWED, FORBIDDEN, allowed_trailers


def fields(*names: str) -> list[Field]:
    return [(name.encode(), name.lower().encode(), b"1") for name in names]


def test_those_pass_whose_definition_allows_it() -> None:
    trailers = fields("Content-Digest", "ETAG", "Server-Timing", "grpc-status")
    assert allowed_trailers(trailers, Limits()) == trailers


@pytest.mark.parametrize(
    "name",
    [
        *("X-Real-IP", "X-Forwarded-Proto", "X_Forwarded_For", "X-HTTP-Method-Override", "X-Original-URL", "X-Sum"),
        *("Set-Cookie", "Location", "Cache-Control", "Content-Encoding", "Content-Type", "X-Auth-Request-User"),
    ],
)
def test_what_is_not_known_to_be_harmless_is_left_out(name: str) -> None:
    assert allowed_trailers(fields("ETag", name), Limits()) == fields("ETag")


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_what_frames_routes_or_authorises_is_refused(name: bytes) -> None:
    with pytest.raises(MalformedError) as refused:
        allowed_trailers(fields("ETag", name.decode().title()), Limits())
    assert (refused.value.status, refused.value.reason) == (400, "trailers")


def test_the_configuration_adds_names() -> None:
    assert allowed_trailers(fields("X-Sum", "X-Other"), Limits(trailers=frozenset({b"x-sum"}))) == fields("X-Sum")


def test_too_many_are_refused_even_if_they_would_be_left_out() -> None:
    with pytest.raises(MalformedError) as refused:
        allowed_trailers(fields(*["X"] * 101), Limits())
    assert refused.value.status == 431


def test_no_name_is_allowed_and_forbidden() -> None:
    assert not ALLOWED & FORBIDDEN
