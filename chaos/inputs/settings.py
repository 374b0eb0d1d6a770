"""Settings from environment variables, read once at the start. The error for an invalid value says what is expected."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from .units import Seconds

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

RuntimeName = Literal["docker", "local"]
"""Names of the runtimes."""

_EXPECTED = {
    "runtime": " or ".join(get_args(RuntimeName)),
    "port": "a port number, 0 to 65535",
    "service_port": "a port number, 1 to 65535",
    "head_timeout": "a duration above 0",
    "body_timeout": "a duration above 0",
    "targets": "names of compose services with commas between, each NAME or NAME:PORT",
    "balancer": "the name of a compose service",
    "health": "http or tcp",
    "health_path": "a path that begins with / and has no spaces",
    "health_host": "a host name or address, with a port if needed",
}
SERVICE_NAME = r"[a-zA-Z0-9._-]{1,128}"
"""Service names that compose accepts (compose specification). The maximum length keeps messages short."""
_TARGET = re.compile(rf"({SERVICE_NAME})(?::([0-9]{{1,5}}))?")


class SettingsError(ValueError):
    """Environment variables are missing or invalid. The message names each of them."""


def _services(given: object) -> object:
    """Return service → port (None: `CHAOS_SERVICE_PORT`) from `web,api2:9000`. Raise ValueError."""
    if not isinstance(given, str):
        return given
    found: dict[str, int | None] = {}
    for each in given.split(","):
        match = _TARGET.fullmatch(each.strip())
        port = int(match[2]) if match and match[2] else None
        if match is None or (port is not None and not 1 <= port <= 65535):
            raise ValueError(f"{each!r} is no NAME or NAME:PORT")
        found[match[1]] = port
    return found


class Settings(BaseModel):
    """Each field is the environment variable `CHAOS_<FIELD>`. `--help` prints its docstring."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    runtime: RuntimeName = "local"
    """Where the members of the lab run: docker or local."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8082, ge=0, le=65535)
    """Port to listen on."""
    state_dir: Path = Path(".lab/chaos")
    """Folder for journal, lease and token."""
    token: str = ""
    """Bearer token; empty: generated at the first start into `<state_dir>/token`."""
    project: str = ""
    """Docker: the compose project; empty: taken from the label of this service's container."""
    targets: Annotated[dict[str, int | None], BeforeValidator(_services)] = {}
    """Docker: the compose services of CHAOS_PROJECT whose containers may be faulted, `NAME` or `NAME:PORT` with commas
    between; empty: containers with the label `reroute.chaos=allow`."""
    balancer: str = Field(default="", pattern=rf"^({SERVICE_NAME})?$")
    """Docker: the compose service that `balancer` means as the peer of a link fault; empty: `lb`, or none with
    CHAOS_TARGETS."""
    own_project: str = ""
    """Docker, with CHAOS_TARGETS: the compose project of this service and its reaper; empty: from the label of this
    service's container."""
    supervisor: str = ""
    """Local: the supervisor's URL."""
    supervisor_token: str = ""
    """Local: the supervisor's token."""
    relay_token: str = ""
    """Local: the token of the relays' control ports."""
    max_duration: Seconds = 300.0
    """Longest duration of a fault."""
    head_timeout: Seconds = Field(default=10.0, gt=0)
    """Time for the head of a request; then 408."""
    body_timeout: Seconds = Field(default=10.0, gt=0)
    """Time for the body of a request; then 408."""
    revive_after: Seconds = 5.0
    """How long a crashed member stays down before the keeper restarts it, so that other restart policies come first."""
    misbehave_token: str = ""
    """Token of the backends' PUT /misbehave (their API_MISBEHAVE_TOKEN)."""
    misbehave_token_file: Path | None = None
    """File with the token of PUT /misbehave, if it is not set directly; generated at the first start."""
    misbehave_token_dir: Path | None = None
    """Folder with a token file for each backend, named after its instance, instead of one token for all."""
    service_port: int = Field(default=8000, ge=1, le=65535)
    """Docker: port on which backends serve; a target's label `reroute.port` overrides it."""
    health: Literal["http", "tcp"] = "http"
    """How probes ask a backend: an HTTP request, or only a connection."""
    health_path: str = Field(default="/health", pattern=r"^/[!-~]*$")
    """Path of the probes' HTTP requests; an answer 2xx or 3xx is healthy."""
    health_host: str = Field(default="", pattern=r"^[!-~]*$")
    """`Host` of the probes' HTTP requests; empty: the backend's address and port."""
    helper_image: str = ""
    """Docker: image of the network helpers; empty: the image of this service's container."""
    container: str = Field(default_factory=socket.gethostname)
    """Docker: this service's container; the default is its host name, which is its short id unless compose sets one."""

    @model_validator(mode="after")
    def _runtime_has_what_it_needs(self) -> Settings:
        if self.runtime == "local" and not self.supervisor:
            raise ValueError("CHAOS_SUPERVISOR='': expected the supervisor's URL, because CHAOS_RUNTIME is local")
        return self

    @model_validator(mode="after")
    def _targets_have_what_they_need(self) -> Settings:
        named = ",".join(self.targets)
        if named and self.runtime != "docker":
            raise ValueError(f"CHAOS_TARGETS={named!r}: expected nothing, because CHAOS_RUNTIME is {self.runtime}")
        if named and not self.project:
            raise ValueError("CHAOS_PROJECT='': expected the compose project of the services in CHAOS_TARGETS")
        if self.balancer in self.targets:
            raise ValueError(f"CHAOS_BALANCER={self.balancer!r}: expected a service that is not in CHAOS_TARGETS")
        return self

    @model_validator(mode="after")
    def _one_misbehave_token(self) -> Settings:
        names = [name for name in ("token", "token_file", "token_dir") if getattr(self, f"misbehave_{name}")]
        if len(names) > 1:
            first, second = (f"CHAOS_MISBEHAVE_{name.upper()}" for name in names[:2])
            raise ValueError(f"{second}: expected nothing, because {first} is set")
        return self

    @property
    def has_order_token(self) -> bool:
        """Return whether orders to misbehave can have a token."""
        return bool(self.misbehave_token or self.misbehave_token_file or self.misbehave_token_dir)

    def order_token(self, instance: str) -> str:
        """Return the token for orders to this backend to misbehave, empty if there is none.

        Raise OSError if its file is unreadable.
        """
        if self.misbehave_token_dir is not None:
            name = Path(instance).name  # an instance is no path
            return (self.misbehave_token_dir / name).read_text(encoding="utf-8").strip()
        if self.misbehave_token_file is None:
            return self.misbehave_token
        return self.misbehave_token_file.read_text(encoding="utf-8").strip()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings. Empty variables count as unset, because compose passes unset ones as empty.

        Raise SettingsError.
        """
        given = {name: environment.get(f"CHAOS_{name.upper()}", "") for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as error:
            raise SettingsError("; ".join(_explain(each) for each in error.errors())) from error

    @classmethod
    def variables(cls) -> Iterator[tuple[str, str, str]]:
        """Yield name, default and meaning of each variable."""
        for name, field in cls.model_fields.items():
            default = field.get_default(call_default_factory=True, validated_data={})
            shown = f"{default:g}s" if isinstance(default, float) else str("" if default in (None, {}) else default)
            yield f"CHAOS_{name.upper()}", shown, " ".join((field.description or "").split())


def _explain(error: ErrorDetails) -> str:
    """Return the variable, its value, and what was expected instead."""
    ours = str(error.get("ctx", {}).get("error", error["msg"]))
    if not error["loc"]:
        return ours
    name = str(error["loc"][0])
    expected = _EXPECTED.get(name) or ours.removeprefix("expected ").partition(", not ")[0]
    return f"CHAOS_{name.upper()}={error['input']!r}: expected {expected}"
