"""What the admin API changes: every change is checked completely before any of it is done."""

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
    """What the changes need of the balancer."""

    def insert(self, backend_id: str, host: str, port: int, now: float, weight: float = 1.0) -> Backend:
        """Add a backend."""

    def remove(self, backend_id: str, now: float) -> None:
        """Drain a backend and let it go."""

    def set_state(self, backend_id: str, state: State, now: float) -> None:
        """Operator's word."""

    def set_weight(self, backend_id: str, weight: float, now: float) -> None:
        """Operator's word."""

    def use_policy(self, name: str) -> None:
        """Pick by another policy. Raises `UnknownPolicyError`."""


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Adjustment(_Body):
    """`PUT /backends/{id}`: at least one of the two."""

    weight: Weight | None = None
    state: Literal["up", "drain", "maint"] | None = None
    force: bool = False

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.weight is None and self.state is None:
            raise ValueError("expected weight, state or both")
        return self


class Removal(_Body):
    """`DELETE /backends/{id}`."""

    force: bool = False


class ReloadQuery(_Body):
    """`POST /reload?force=1`."""

    force: bool = False


class PolicyChange(_Body):
    """`PUT /policy`."""

    policy: Annotated[str, Field(json_schema_extra=lambda schema: schema.update(enum=sorted(POLICIES)))]


class DecisionQuery(_Body):
    """The query of `GET /decisions`; the limits of `last` are those of the configuration's `decisions`."""

    last: Annotated[int, Field(ge=1, le=100_000)] = 50
    backend: str = ""
    id: str = ""


class Addition(BackendEntry):
    """`POST /backends`."""

    weight: Weight = 1.0


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], body: Any) -> Model:
    """Check a body. Raises `InvalidError` naming each field that is wrong."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidError("; ".join(_problem(dict(problem)) for problem in error.errors())) from error


def add(balancer: Changeable, addition: Addition, now: float) -> Backend:
    """Raises `ConflictError` when the id or the address is already somebody's, or there are too many."""
    if len(balancer.backends) >= MOST_BACKENDS:
        raise ConflictError(f"there are {MOST_BACKENDS} backends, and may not be more")
    for one in balancer.backends:
        if one.id == addition.id:
            raise ConflictError(f"id: {one.id!r} is in use")
        if (one.host, one.port) == addition.address:
            raise ConflictError(f"address: {addition.address} is backend {one.id!r}")
    return balancer.insert(addition.id, *addition.address, now, addition.weight)


def adjust(balancer: Changeable, backend_id: str, adjustment: Adjustment, now: float) -> Backend:
    """Raises `UnknownBackendError`, `ConflictError`."""
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
    """Raises `InvalidError`, naming the policies that exist."""
    try:
        balancer.use_policy(change.policy)
    except UnknownPolicyError as error:
        raise InvalidError(f"policy: {error}") from error
    return balancer.policy


def remove(balancer: Changeable, backend_id: str, removal: Removal, now: float) -> Backend:
    """Raises `UnknownBackendError`, `ConflictError`."""
    backend = find(balancer, backend_id)
    if not removal.force:
        refuse_last(balancer, backend, "removal")
    with _refusing_leavers(backend_id):
        balancer.remove(backend_id, now)
    return backend


@contextmanager
def _refusing_leavers(backend_id: str) -> Iterator[None]:
    """A removed backend is shown until its last request ends, but the core lets nobody change it any more."""
    try:
        yield
    except KeyError as error:
        raise ConflictError(f"{backend_id!r} is already removed and only finishes its requests") from error


def find(balancer: Shown, backend_id: str) -> Backend:
    """The backend of this id. Raises `UnknownBackendError`."""
    for one in balancer.backends:
        if one.id == backend_id:
            return one
    raise UnknownBackendError(f"no backend {backend_id!r}; known: {', '.join(one.id for one in balancer.backends)}")


def refuse_last(balancer: Shown, backend: Backend, change: str) -> None:
    """Raises `ConflictError` if nobody but `backend` serves with a weight."""
    others = any(one.state is State.UP and one.weight > 0 for one in balancer.backends if one is not backend)
    if backend.state is State.UP and not others:
        raise ConflictError(f"{change} of {backend.id!r} would leave no usable backend; repeat with force to do it")


def _problem(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"]) or "body"
    reason = problem.get("ctx", {}).get("error") or problem["msg"].replace("Input should", "should")
    return f"{where}: {reason}"
