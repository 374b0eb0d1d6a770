"""Renders templates to files, with helpers that several adapters share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .adapter import Quirk
from .requirements import ProxySpec


def milliseconds(seconds: float) -> str:
    """Return `0.5` as `500ms`, which HAProxy, nginx, Go and Reroute accept; at least 1ms, since 0 often means never."""
    return f"{max(1, round(seconds * 1000))}ms"


def protobuf_seconds(seconds: float) -> str:
    """Return `0.5` as `0.500s`: a google.protobuf.Duration in JSON or YAML."""
    return f"{max(0.001, seconds):.3f}s"


@cache
def _templates(folder: Path) -> Environment:
    templates = Environment(
        loader=FileSystemLoader(folder),
        autoescape=False,  # configuration languages, not HTML; `ProxySpec` accepts nothing that needs quoting
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters.update(ms=milliseconds, pb=protobuf_seconds)
    return templates


def write(folder: Path, workdir: Path, name: str, spec: ProxySpec, **extra: Any) -> Path:
    """Render the template `<name>.j2` of an adapter's folder to the file `<name>` in `workdir`; return its path."""
    path = workdir / name
    path.write_text(_templates(folder).get_template(f"{name}.j2").render(spec=spec, **extra), encoding="utf-8")
    return path


def policy_or_round_robin(spec: ProxySpec, known: Mapping[str, str]) -> str:
    """Return the balancer's name for the policy, or its name for round robin if it does not have the policy."""
    return known.get(spec.policy, known["round_robin"])


def policy_quirks(spec: ProxySpec, known: Mapping[str, str]) -> tuple[Quirk, ...]:
    """Return a quirk if round robin replaces the policy."""
    if spec.policy in known:
        return ()
    return (Quirk(f"policy {spec.policy}", "not available; round robin is used instead"),)


def health_url(spec: ProxySpec) -> str:
    """Return the URL that, through the balancer, answers 200 once it listens and reaches a backend."""
    return f"http://{spec.listen}{spec.health.path}"
