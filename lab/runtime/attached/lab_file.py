"""`lab.yaml`: what the lab has to know about a user's compose project to send it traffic and to fault its backends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from ...scenario.json_schema import DIALECT
from ...scenario.model_file import FileFormat
from ...scenario.strict import StrictModel, field_error
from ...scenario.units import Duration, Rate, Share
from ...scenario.workload import RequestKind, check_shares
from ...scenario.yaml_limits import MAX_DEPTH, Limits
from ...services.identification import Identification

Service = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,128}$")]
Path_ = Annotated[str, Field(pattern=r"^/[!-~]{0,2000}$")]


class Backends(StrictModel):
    """The services whose containers the balancer forwards to. Only these can be faulted."""

    services: Annotated[tuple[Service, ...], Field(min_length=1, max_length=20)]
    port: Annotated[int, Field(ge=1, le=65_535, strict=True)]
    """Port inside the containers."""
    health: Annotated[str, Field(pattern=r"^(tcp|/[!-~]{0,2000})$")] = "/"
    """Path that a working backend answers with 2xx or 3xx; `tcp`: it accepts connections."""


class Balancer(StrictModel):
    """The balancer of the project. What is left out is not known."""

    service: Service | None = None
    config: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Its configuration, main file first, relative to this file. The adviser derives bounds from it."""
    program: str | None = None
    """`haproxy`, `nginx`, `envoy`, `traefik` or `caddy`; needed only if the files do not show it."""
    frontend: str = ""
    pool: str = ""


class Expected(StrictModel):
    """What replaces expectations of scenarios, if they have these."""

    reroute: Annotated[Duration, Field(gt=0)] | None = None
    """In place of `within_bound`."""
    readmit: Annotated[Duration, Field(gt=0)] | None = None
    """In place of `within_bound`."""
    idempotent_failures: Annotated[int, Field(ge=0, strict=True)] | None = None
    error_budget: Share | None = None
    slow_budget: Share | None = None


class LabFile(StrictModel):
    """An attached compose project."""

    version: Literal[1]
    compose: Annotated[tuple[str, ...], Field(min_length=1)]
    """Its compose files, relative to this file."""
    project: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")] | None = None
    """Its name; default: as Compose derives it from the files."""
    traffic: str
    """URL where requests enter: on loopback, or `http://SERVICE:PORT/` of this project."""
    ca: str | None = None
    """File with the certificates that sign the balancer's, relative to this file; for https."""
    host: str = ""
    """Host header of all requests; default: that of the URL."""
    backends: Backends
    balancer: Balancer = Balancer()
    identify: str = "none"
    """Where an answer names its backend: `header:NAME`, `json:/pointer`, `cookie:NAME`, or `none`."""
    names: dict[str, str] = Field(default_factory=dict)
    """Name in an answer → container such as `web-1`, where the lab cannot match them by itself."""
    question: Path_ | None = None
    """Path of the request that finds out which backends are in use; default: that of the first GET."""
    requests: Annotated[tuple[RequestKind, ...], Field(min_length=1)]
    """What scenarios of the library request in place of the paths of the lab's own backends."""
    rate: Annotated[Rate, Field(gt=0, le=20_000)] | None = None
    """Requests per second in place of the scenario's."""
    expect: Expected = Expected()

    @field_validator("compose", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("identify")
    @classmethod
    def _known_place(cls, value: str) -> str:
        try:
            Identification.parse(value)
        except ValueError as error:
            raise field_error(str(error), value) from error
        return value

    @field_validator("traffic")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
            raise field_error("expected a URL such as http://127.0.0.1:8080/", value)
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        check_shares(self.requests)
        if self.question is None and all(kind.method != "GET" for kind in self.requests):
            raise field_error("expected `question`, because no request is a GET", self.requests[0].request)
        return self

    @property
    def asked(self) -> str:
        """Path of the request that finds out which backends are in use."""
        return self.question or next(kind.path for kind in self.requests if kind.method == "GET")

    @property
    def good_statuses(self) -> tuple[str, ...]:
        """Statuses of a good answer to it, as the kind of request with this path names them; empty: all below 400."""
        return next((kind.status for kind in self.requests if kind.request == f"GET {self.asked}"), ())


_FORMAT: Final = FileFormat("lab file", LabFile, "docs/attach.md", Limits("lab file", MAX_DEPTH, 20_000, 16 * 1024))


@dataclass(frozen=True, slots=True)
class Found:
    """A lab file that was read."""

    path: Path
    """Absolute path; relative paths in the file count from its folder."""
    content: LabFile

    def beside(self, name: str) -> Path:
        """Return the path that a name in the file means."""
        return self.path.parent / name


def load_lab_file(path: Path) -> Found:
    """Return the lab file in `path`. Raise ModelFileError, or BadArgumentsError if the file cannot be read."""
    return Found(path.resolve(), _FORMAT.load(path))


def parse_lab_file(text: str, path: Path) -> Found:
    """Return the lab file that `path` will have with this text. Raise ModelFileError."""
    return Found(path.resolve(), _FORMAT.parse(text, str(path)))


def lab_file_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of lab files."""
    return {"$schema": DIALECT, **LabFile.model_json_schema()}
