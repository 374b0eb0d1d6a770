"""Settings of affinity: requests of a client go to the same backend by a hash or by a signed cookie."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr

from .ceilings import LONGEST_COOKIE_S, MOST_SECRETS
from .units import duration, format_duration
from .value_types import Section, Token, at_most, expect, split

SECRET_LENGTH = 16
"""Minimum number of characters. With a shorter secret, a signature could be forged by brute force."""

_SOURCE = re.compile(r"client|path|(?:header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _source(value: object) -> object:
    known = "client, path, header:NAME or cookie:NAME"
    expect(bool(_SOURCE.fullmatch(str(value))), f"{str(value)!r} is not a key to hash by; allowed: {known}")
    return value


def _secret(value: object) -> object:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    expect(isinstance(text, str) and len(text) >= SECRET_LENGTH, f"a secret needs {SECRET_LENGTH} characters or more")
    return value


CookieAge = Annotated[
    float,
    BeforeValidator(duration),
    at_most(LONGEST_COOKIE_S, format_duration),
    PlainSerializer(format_duration, return_type=str),
]


class Hash(Section):
    """Settings of the policies `ring_hash` and `maglev`."""

    by: Annotated[str, BeforeValidator(_source)] = "client"


class Sticky(Section):
    """Sticky sessions: see `lb.core.sticky_sessions`."""

    cookie: Token
    secrets: Annotated[
        tuple[Annotated[SecretStr, BeforeValidator(_secret)], ...],
        BeforeValidator(split),
        Field(min_length=1, max_length=MOST_SECRETS),
    ]
    """Cookies are signed with the first secret and verified with all. To replace a secret, put the new one first, and
    remove the old one when its cookies have expired."""
    ttl: CookieAge = 0.0
    """Time after which a browser deletes the cookie. 0: when the browser is closed."""
    secure: bool = False
    """Whether browsers send the cookie only over TLS. The balancer cannot know this if TLS ends in front of it."""
