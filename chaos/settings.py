"""What the environment says; read once at start, refused with a reason."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chaos.units import Seconds


class SettingsError(ValueError):
    """The environment is incomplete or wrong; the message names each variable."""


class Settings(BaseModel):
    """Each field is the environment variable `CHAOS_<FIELD>`."""

    model_config = ConfigDict(frozen=True)

    runtime: Literal["docker", "local"] = "local"
    host: str = "127.0.0.1"
    port: int = Field(default=8082, ge=0, le=65535)
    state_dir: Path = Path(".lab/chaos")
    """Journal, lease and token."""
    token: str = ""
    """Empty: generated at first start into `<state_dir>/token`."""
    project: str = ""
    """Docker: the compose project; empty asks our own container's label."""
    supervisor: str = ""
    """Local: the supervisor's URL."""
    supervisor_token: str = ""
    max_duration: Seconds = 300.0
    revive_after: Seconds = 5.0
    """A crashed member stays down this long before the keeper starts it: long enough for whoever else would."""
    service_port: int = Field(default=8000, ge=1, le=65535)
    """Docker: the port that backends answer on; a target's label `reroute.port` overrides it."""
    helper_image: str = ""
    """Docker: the image of the network helpers; empty is our own container's."""
    container: str = Field(default_factory=socket.gethostname)
    """Docker: our own container; its host name is its short id unless compose sets one."""

    @model_validator(mode="after")
    def _runtime_has_what_it_needs(self) -> Settings:
        if self.runtime == "local" and not self.supervisor:
            raise ValueError("CHAOS_RUNTIME=local needs CHAOS_SUPERVISOR, the supervisor's URL")
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Raises SettingsError. Empty variables count as unset: compose passes them so."""
        given = {name: environment.get(f"CHAOS_{name.upper()}", "") for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as error:
            raise SettingsError("; ".join(_explain(e["loc"], e["msg"]) for e in error.errors())) from error


def _explain(loc: tuple[int | str, ...], message: str) -> str:
    return f"CHAOS_{str(loc[0]).upper()}: {message}" if loc else message
