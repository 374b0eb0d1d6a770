"""Reads a YAML file into a strict model and reports all problems at once as `file:line: field: what was expected`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from ..errors import BadArgumentsError
from ..output.inert import one_line, quoted
from .request_fields import FOLDER
from .yaml_limits import Limits, find_excess

M = TypeVar("M", bound=BaseModel)
_MAX_BYTES = 256 * 1024
_NAME_LONG = 80
"""Maximum characters of a text that is compared with known names: the cost grows with the square of the length."""
_TYPE_NAMES = {
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
"""What was expected, by pydantic's type of error."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a file. `line` counts from 1."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return one_line(f"{self.file}:{self.line}: {field}{self.message}")


class ModelFileError(BadArgumentsError):
    """The file does not match its model. `problems` has all problems; `str()` has a line for each."""

    def __init__(self, problems: Iterable[Problem], next_step: str) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)), next_step)


@dataclass(frozen=True, slots=True)
class FileFormat(Generic[M]):
    """A kind of YAML file, such as scenarios."""

    kind: str
    """Name for error messages, such as `scenario`."""
    model: type[M]
    documented_in: str
    """Page that describes every field."""
    limits: Limits

    def load(self, path: Path) -> M:
        """Return the content of `path`. Raise ModelFileError, or BadArgumentsError if the file cannot be read."""
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)  # the path may be a device that never ends
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadArgumentsError(f"{path}: cannot be read as a {self.kind}: {error}") from error
        if len(data) > _MAX_BYTES:
            raise BadArgumentsError(f"{path}: is larger than {_MAX_BYTES} bytes, which no {self.kind} is")
        return self.parse(text, str(path))

    def parse(self, text: str, file: str) -> M:
        """Return the content of `text`. Raise ModelFileError, whose problems name `file`.

        Paths in the text are relative to the folder of `file`.
        """
        try:
            if excess := find_excess(text, self.limits):
                raise self._error([Problem(file, excess.line, "", excess.message)])
            root: Node | None = YAML().compose(text)
            raw = YAML(typ="safe", pure=True).load(text)
        except YAMLError as error:
            raise self._error([_syntax_problem(error, file)]) from error
        except (ValueError, TypeError, OverflowError) as error:  # an impossible date, a number of 5,000 digits
            problem = f"holds a value that cannot be read: {one_line(str(error))}"
            raise self._error([Problem(file, 1, "", problem)]) from error
        if root is None or not isinstance(raw, dict):
            required = [name for name, field in self.model.model_fields.items() if field.is_required()]
            raise self._error([Problem(file, 1, "", f"expected a mapping with {_listed(required)}")])
        try:
            return self.model.model_validate(raw, context={FOLDER: Path(file).parent})
        except ValidationError as error:
            problems = [
                Problem(file, _line(root, each["loc"]), _dotted(each["loc"]), _message(each, self.model))
                for each in error.errors()
                if not _is_consequence(each)
            ]
            raise self._error(sorted(problems, key=lambda problem: problem.line)) from error

    def _error(self, problems: Iterable[Problem]) -> ModelFileError:
        return ModelFileError(problems, f"{self.documented_in} describes every field")


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _is_consequence(error: ErrorDetails) -> bool:
    """Return whether a list is reported as too short only because one of its elements is invalid."""
    return error["type"] == "too_short" and bool(error["input"])


def _syntax_problem(error: YAMLError, file: str) -> Problem:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return Problem(file, error.problem_mark.line + 1, "", f"is not YAML: {one_line(str(error.problem))}")
    return Problem(file, 1, "", f"is not YAML: {one_line(' '.join(str(error).split()))}")


def _line(root: Node, loc: tuple[int | str, ...]) -> int:
    """Return the line of the key at `loc`, or of its closest parent in the file if the key is missing."""
    node, line = root, root.start_mark.line
    for part in loc:
        step = _descend(node, part)
        if step is None:
            break
        line, node = step
    return int(line) + 1


def _descend(node: Node, part: int | str) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        return next(((key.start_mark.line, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    return None


def _dotted(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _message(error: ErrorDetails, model: type[BaseModel]) -> str:
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "is required"
        case "extra_forbidden":
            known = _known_keys(model, error["loc"][:-1])
            return f"is not a known field here{_suggestion(error['loc'][-1], known)}; known are {', '.join(known)}"
        case "literal_error":
            options = str(context.get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")
            got = error["input"]
            return f"expected one of {', '.join(options)}; got {quoted(got)}{_suggestion(got, options)}"
        case kind if kind in _TYPE_NAMES:
            return f"expected {_TYPE_NAMES[kind]}; got {quoted(error['input'])}"
        case "quantity" | "scenario":
            return error["msg"]
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}; got {quoted(error['input'])}"


def _suggestion(got: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(got, [*known], n=1) if isinstance(got, str) and len(got) <= _NAME_LONG else []
    return f" (did you mean {close[0]}?)" if close else ""


def _known_keys(model: Any, loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        if isinstance(part, str):
            model = next(each for name, each in _fields(model) if name == part).annotation
        while get_origin(model) is not None:
            model = get_args(model)[0]  # X of `X | None` and of `tuple[X, ...]`
    return [name for name, _ in _fields(model)] if isinstance(model, type) and issubclass(model, BaseModel) else []


def _fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Return the fields of a model by the names that a file uses."""
    return [(field.alias or name, field) for name, field in model.model_fields.items()]
