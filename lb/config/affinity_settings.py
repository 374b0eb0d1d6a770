"""How a configuration keeps clients together with backends: by a hash, or by a signed cookie."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr

from .ceilings import LONGEST_COOKIE_S, MOST_SECRETS
from .units import duration, format_duration
from .value_types import Section, Token, at_most, expect, split

SECRET_LENGTH = 16
"""Characters at least: what a shorter one signs can be forged by trying."""

_SOURCE = re.compile(r"client|path|(?:header|cookie):[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _source(value: object) -> object:
    known = "client, path, header:NAME or cookie:NAME"
    expect(bool(_SOURCE.fullmatch(str(value))), f"{str(value)!r} is nothing to hash by; allowed: {known}")
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
    """What the policies `ring_hash` and `maglev` pick by."""

    by: Annotated[str, BeforeValidator(_source)] = "client"


class Sticky(Section):
    """Sticky sessions: see `lb.core.affinity`."""

    cookie: Token
    secrets: Annotated[
        tuple[Annotated[SecretStr, BeforeValidator(_secret)], ...],
        BeforeValidator(split),
        Field(min_length=1, max_length=MOST_SECRETS),
    ]
    """The first one signs, all of them verify: put a new one in front, and drop the old one when its cookies are."""
    ttl: CookieAge = 0.0
    """After which a browser forgets its pin; 0: when it is closed."""
    secure: bool = False
    """Only to be sent over TLS; not what we see where somebody in front of us ends it, so it must be said."""
