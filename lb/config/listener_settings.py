"""Settings of listeners: TLS, the PROXY protocol, and the listener of TCP mode."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from .ceilings import MOST_FILES
from .value_types import AT_START, Listen, Networks, Positive, Section, split


def _version(value: object) -> object:
    """Return a TLS version as text, because `1.2` without quotes is a number in YAML."""
    return str(value) if isinstance(value, float) else value


class Certificate(Section):
    """Paths of a certificate chain and its key, in PEM. A single path means a file with both."""

    cert: Path
    key: Path

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {"cert": value, "key": value} if isinstance(value, str) else value


class Tls(Section):
    """TLS for clients: see `lb.process.tls`."""

    certificates: Annotated[tuple[Certificate, ...], BeforeValidator(split), Field(min_length=1, max_length=MOST_FILES)]
    """Certificates, chosen by the name in the client's SNI. The first one is used if no other matches."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(_version)] = "1.2"
    handshake_timeout: Annotated[Positive, AT_START] = 10.0


class ProxyProtocol(Section):
    """PROXY headers from clients and to backends (`lb.proxy.proxy_protocol`)."""

    accept_from: Networks = ()
    """Networks whose connections must begin with a header. If any is set, connections from others are refused."""
    timeout: Positive = 3.0
    send: Annotated[Literal["off", "v1", "v2"], AT_START] = "off"
    """Header to send to backends. A connection to a backend then serves only one client connection."""


class Tcp(Section):
    """A second listener, in TCP mode: each connection is forwarded to a backend without being parsed."""

    listen: Annotated[Listen | None, AT_START] = None
    idle: Positive = 3600.0
    tls: Annotated[bool, AT_START] = False
    """Whether to terminate TLS, with the certificates of `tls`. Otherwise it is forwarded like all other bytes."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return {**value, "listen": None} if isinstance(value, dict) and value.get("listen") == "" else value
