"""How a configuration guards its doors: TLS, the PROXY protocol, and a listener for raw connections."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from .ceilings import MOST_FILES
from .value_types import Listen, Networks, Positive, Section, split


def _version(value: object) -> object:
    """`1.2` without quotes is a number in YAML."""
    return str(value) if isinstance(value, float) else value


class Certificate(Section):
    """A certificate chain and its key, PEM; a single path in its place is a file that holds both."""

    cert: Path
    key: Path

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return {"cert": value, "key": value} if isinstance(value, str) else value


class Tls(Section):
    """TLS for clients: see `lb.process.tls`."""

    certificates: Annotated[tuple[Certificate, ...], BeforeValidator(split), Field(min_length=1, max_length=MOST_FILES)]
    """Chosen by the name that the client asks for; the first one for those who ask for none, or another."""
    min_version: Annotated[Literal["1.2", "1.3"], BeforeValidator(_version)] = "1.2"
    handshake_timeout: Positive = 10.0


class ProxyProtocol(Section):
    """PROXY headers, in and out: see `lb.proxy.proxy_protocol`."""

    accept_from: Networks = ()
    """Networks that must begin each connection with a header; once there is one, nobody else is let in."""
    timeout: Positive = 3.0
    send: Literal["off", "v1", "v2"] = "off"
    """What backends are told; a connection to a backend then serves one client connection only."""


class Tcp(Section):
    """A second listener, whose connections are balanced as they are."""

    listen: Listen | None = None
    idle: Positive = 3600.0
    tls: bool = False
    """End TLS here, with the certificates of `tls`; else it goes through, as all else does."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return {**value, "listen": None} if isinstance(value, dict) and value.get("listen") == "" else value
