"""Changes by the admin API, and the models of the bodies and queries of its calls.

Each change is checked completely before any part of it is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..config.ceilings import MOST_BACKENDS
from ..config.discovery_settings import BackendEntry
from ..config.value_types import Weight
from ..core.backend import Backend, State
from ..core.policies import POLICIES, UnknownPolicyError
from ..errors import ConflictError, InvalidError, UnknownBackendError
from .views import Shown


class Changeable(Shown, Protocol):
    """The part of the balancer that the changes use."""

    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend."""

    def remove(self, backend_id: str, now: float) -> None:
        """Drain the backend, then remove it."""

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Set the state that an operator has requested."""

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Set the weight that an operator has requested."""

    def use_policy(self, name: str) -> None:
        """Use another policy. Raise UnknownPolicyError."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Adjustment(_Body):
    """Body of `PUT /backends/{id}`: weight, state or both."""

    weight: Weight | None = None
    state: Literal["up", "drain", "maint"] | None = None
    force: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.weight is None and self.state is None:
            raise ValueError("expected weight, state or both")
        return self


class Removal(_Body):
    """Body or query of `DELETE /backends/{id}`."""

    force: bool = False


class ReloadQuery(_Body):
    """Query of `POST /reload`."""

    force: bool = False


class PolicyChange(_Body):
    """Body of `PUT /policy`."""

    policy: Annotated[str, Field(json_schema_extra=lambda schema: schema.update(enum=sorted(POLICIES)))]


class DecisionQuery(_Body):
    """Query of `GET /decisions`. `last` has the same limits as the configuration's `decisions`."""

    last: Annotated[int, Field(ge=1, le=100_000)] = 50
    backend: str = ""
    id: str = ""


class Addition(BackendEntry):
    """Body of `POST /backends`."""

    weight: Weight = 1.0


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], body: Any) -> Model:
    """Return the body as `model`. Raise InvalidError with each invalid field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidError("; ".join(_problem(dict(problem)) for problem in error.errors())) from error


def add(balancer: Changeable, addition: Addition, now: float) -> Backend:
    """Add a backend. Raise ConflictError if the id or the address is in use or there are too many backends."""
    if len(balancer.backends) >= MOST_BACKENDS:
        raise ConflictError(f"there are already {MOST_BACKENDS} backends, which is the maximum")
    for one in balancer.backends:
        if one.id == addition.id:
            raise ConflictError(f"id: {one.id!r} is in use")
        if (one.host, one.port) == addition.address:
            raise ConflictError(f"address: {addition.address} is in use by backend {one.id!r}")
    return balancer.insert(addition.id, *addition.address, now, addition.weight)


def adjust(balancer: Changeable, backend_id: str, adjustment: Adjustment, now: float) -> Backend:
    """Change weight or state. Raise UnknownBackendError, or ConflictError if no usable backend would be left."""
    backend = find(balancer, backend_id)
    if not adjustment.force:
        if adjustment.state in ("drain", "maint"):
            refuse_last(balancer, backend, f"state {adjustment.state}")
        if adjustment.weight == 0:
            refuse_last(balancer, backend, "weight 0")
    with _refusing_leavers(backend_id):
        if adjustment.weight is not None:
            balancer.set_weight(backend_id, adjustment.weight, now)
        if adjustment.state is not None:
            balancer.set_state(backend_id, State(adjustment.state), now)
    return backend


def use_policy(balancer: Changeable, change: PolicyChange) -> str:
    """Use another policy and return its name. Raise InvalidError, with the existing policies, if it is unknown."""
    try:
        balancer.use_policy(change.policy)
    except UnknownPolicyError as error:
        raise InvalidError(f"policy: {error}") from error
    return balancer.policy


def remove(balancer: Changeable, backend_id: str, removal: Removal, now: float) -> Backend:
    """Remove a backend. Raise UnknownBackendError, or ConflictError if no usable backend would be left."""
    backend = find(balancer, backend_id)
    if not removal.force:
        refuse_last(balancer, backend, "removal")
    with _refusing_leavers(backend_id):
        balancer.remove(backend_id, now)
    return backend


@contextmanager
def _refusing_leavers(backend_id: str) -> Iterator[None]:
    """Raise ConflictError if the backend is removed already and shown only until its last request ends."""
    try:
        yield
    except KeyError as error:
        raise ConflictError(f"{backend_id!r} is already removed and only finishes its requests") from error


def find(balancer: Shown, backend_id: str) -> Backend:
    """Return the backend with this id. Raise UnknownBackendError."""
    for one in balancer.backends:
        if one.id == backend_id:
            return one
    raise UnknownBackendError(f"no backend {backend_id!r}; known: {', '.join(one.id for one in balancer.backends)}")


def refuse_last(balancer: Shown, backend: Backend, change: str) -> None:
    """Raise ConflictError if `backend` is the only usable one with a weight above 0."""
    others = any(one.state is State.UP and one.weight > 0 for one in balancer.backends if one is not backend)
    if backend.state is State.UP and not others:
        raise ConflictError(f"{change} of {backend.id!r} would leave no usable backend; repeat with force to do it")


def _problem(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "body"
    reason = problem.get("ctx", {}).get("error") or problem["msg"].replace("Input should", "should")
    return f"{where}: {reason}"
