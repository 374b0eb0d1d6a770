"""Reads the configuration from a YAML file and overrides it from the environment. Each problem becomes one line with
its location."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ..errors import ConfigError
from . import yaml_bounds
from .discovery_settings import KINDS
from .schema import Config
from .value_types import Section

DEFAULT = Path(__file__).with_name("default.yaml")
PREFIX = "LB_"
NOT_KEYS = frozenset({"LB_CONFIG"})

Key = tuple[str | int, ...]


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read `path` and apply the `LB_…` variables of `environ`. Raise ConfigError with all problems."""
    return parse(read_mapping(path), path.name, environ)


def read_mapping(path: Path) -> CommentedMap:
    """Return the YAML mapping in `path`, with line numbers. Raise ConfigError."""
    data = read_yaml(path)
    if data is None:
        return CommentedMap()
    if not isinstance(data, CommentedMap):
        raise ConfigError([f"{path.name}:1: expected keys and values, found {_found(data)}"])
    return data


def read_yaml(path: Path) -> Any:
    """Return the content of the YAML file. Raise ConfigError, with the line, for a syntax error or a repeated key."""
    try:
        text = _text(path)
        yaml_bounds.check(text)
        return YAML(typ="rt").load(text)
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    except yaml_bounds.BoundsError as error:
        raise ConfigError([f"{path.name}:{error.line}: {error}"]) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"{path.name}:{line}: {' '.join(str(error.problem).split())}"]) from error
    except YAMLError as error:
        raise ConfigError([f"{path.name}: {' '.join(str(error).split())}"]) from error
    except ValueError as error:  # an invalid date or number
        raise ConfigError([f"{path.name}: a value cannot be read: {' '.join(str(error).split())[:200]}"]) from error


def _text(path: Path) -> str:
    """Return the text of the file. Raise ConfigError if it is too long, OSError or UnicodeDecodeError."""
    with path.open("rb") as file:
        raw = file.read(yaml_bounds.MAX_BYTES + 1)
    if len(raw) > yaml_bounds.MAX_BYTES:
        raise ConfigError([f"{path.name}: is longer than {yaml_bounds.MAX_BYTES // 1024} KiB"])
    return raw.decode("utf-8").replace("\r\n", "\n")


def parse(data: CommentedMap, source: str, environ: Mapping[str, str]) -> Config:
    """Return the configuration in `data` (from the file `source`), overridden by `environ`. Raise ConfigError."""
    overrides = {_key(name): (name, value) for name, value in environ.items() if _is_ours(name)}
    for key, (_, value) in sorted(overrides.items(), key=lambda item: item[0] != ("discovery", "kind")):
        _override(data, key, value)
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        names = {key: name for key, (name, _) in overrides.items()}
        raise ConfigError([_line(problem, data, source, names) for problem in error.errors()]) from error


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX) and name not in NOT_KEYS


def _key(name: str) -> tuple[str, ...]:
    """Return the key of a variable: `("health", "interval")` for `LB_HEALTH__INTERVAL`."""
    return tuple(name.removeprefix(PREFIX).lower().split("__"))


def _override(data: CommentedMap, key: tuple[str, ...], value: str) -> None:
    """Set a value. If it changes the kind of discovery, remove the keys of the kind in the file."""
    if key == ("discovery", "kind") and _kind(data) != value:
        data["discovery"] = CommentedMap()
    for part in key[:-1]:
        inner = data.get(part)
        if not isinstance(inner, CommentedMap):
            inner = data[part] = CommentedMap()
        data = inner
    data[key[-1]] = value


def _kind(data: CommentedMap) -> object:
    discovery = data.get("discovery")
    return discovery.get("kind") if isinstance(discovery, CommentedMap) else None


def _line(problem: ErrorDetails, data: CommentedMap, source: str, names: Mapping[tuple[str, ...], str]) -> str:
    key, line = _locate(data, problem["loc"])
    dotted = ".".join(str(part) for part in key)
    name = _variable(problem, key, names)
    where = name or (f"{source}:{line}" if line else source)
    return f"{where}: {dotted}: {_reason(problem)}" if dotted and not name else f"{where}: {_reason(problem)}"


def _variable(problem: ErrorDetails, key: Key, names: Mapping[tuple[str, ...], str]) -> str | None:
    """Return the environment variable that caused the problem, or None."""
    unknown = problem["type"] == "extra_forbidden"
    for known, name in names.items():
        if key[: len(known)] == known or (unknown and known[: len(key)] == key):
            return name
    return None


def _locate(data: Any, location: Key) -> tuple[Key, int | None]:
    """Return the key as in the file, and its line. The tag of a union in `location` does not appear in the file."""
    key, line = [], None
    for part in location:
        if isinstance(data, CommentedMap):
            if part not in data and part in KINDS:
                continue
            line = data.lc.key(part)[0] + 1 if part in (data.lc.data or {}) else line
            data = data.get(part)
        elif isinstance(data, CommentedSeq) and isinstance(part, int) and part < len(data):
            line = data.lc.item(part)[0] + 1
            data = data[part]
        key.append(part)
    return tuple(key), line


def _reason(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            return _unknown(str(problem["loc"][-1]), sorted(_allowed(problem["loc"][:-1])))
        case "missing":
            return "is required"
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"{_shown(problem)} is not allowed; allowed: {context['expected'].replace(chr(39), '')}"
        case "union_tag_invalid":
            return f"kind {context['tag']!r} is not allowed; allowed: {', '.join(KINDS)}"
        case "union_tag_not_found":
            return f"kind is required; allowed: {', '.join(KINDS)}"
        case "int_parsing" | "int_type" | "int_from_float":
            return f"{_shown(problem)} is not a whole number"
        case "bool_parsing" | "bool_type":
            return f"{_shown(problem)} is not true or false"
        case _:
            return _reason_of_shape(problem)


def _reason_of_shape(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"expected keys and values, found {_found(problem['input'])}"
        case "too_short":
            return f"expected {context['min_length']} or more, found {context['actual_length']}"
    return f"{_shown(problem)}: {problem['msg'].replace('Input should', 'should')}"


def _found(value: object) -> str:
    return "a list" if isinstance(value, list | tuple) else repr(value)[:80]


def _shown(problem: ErrorDetails) -> str:
    return repr(problem["input"])[:80]


def _unknown(name: str, allowed: list[str]) -> str:
    close = get_close_matches(name, allowed, n=1)
    suggestion = f" did you mean {close[0]!r}?" if close else ""
    return f"unknown key;{suggestion} allowed: {', '.join(allowed)}"


def _allowed(location: Key) -> frozenset[str]:
    section: type[Section] = Config
    for part in location:
        if part in KINDS:
            section = KINDS[str(part)]
        elif part in section.model_fields:
            section = next(_sections(section.model_fields[str(part)].annotation), section)
    return frozenset(section.model_fields)


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections in a field's type, directly or as items of a tuple."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Section):
            yield candidate
