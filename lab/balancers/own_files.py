"""Copies a user's own configuration files, with their addresses replaced by the addresses of this lab.

Files may contain bytes that are not UTF-8. What is not replaced stays byte for byte the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ..errors import BadArgumentsError
from .adapter import OwnFiles
from .own_confinement import inside, refuse_strangers
from .substitution import Substitution, line_of

__all__ = ["adopt", "inside", "layout", "read", "unused", "write"]
_ERRORS: Final = "surrogateescape"
"""Decodes bytes that are not UTF-8 so that they are written back unchanged, for files in Latin-1 for example."""
_IN_DIR = re.compile(r"@DIR@/([\w.-]+)")


def read(path: Path) -> str:
    """Return the file's text. Raise `BadArgumentsError` if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", _ERRORS)
    except OSError as error:
        raise BadArgumentsError(f"{path} cannot be read: {error.strerror}", "give the file of your balancer") from error


def write(path: Path, text: str) -> None:
    """Write a text from `read` byte for byte; create missing folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", _ERRORS))


def unused(replace: Iterable[tuple[str, str]], files: Iterable[Path]) -> list[tuple[str, str]]:
    """Return each text to be replaced that is in none of the files, and a place where it is part of a longer word."""
    texts = {path: read(path) for path in files}
    found = []
    for old, name in replace:
        one = Substitution([(old, name)])
        if not any(one.occurs(text) for text in texts.values()):
            places = (f"{path.name}:{part}" for path, text in texts.items() for part in one.parts(text))
            found.append((old, next(places, "")))
    return found


def adopt(
    own: OwnFiles,
    texts: Mapping[Path, str],
    replace: Sequence[tuple[str, str]],
    values: Mapping[str, str],
    folder: Path,
) -> tuple[Path, ...]:
    """Write the texts into `folder`, with addresses replaced and directives confined. Return the paths.

    `texts`: by the path of the user's file, the main file first.

    Files below the main file's folder keep their relative place, so that relative includes find them. Replacements
    apply to the files in which their text occurs. Raise `BadArgumentsError` for an unknown placeholder, an address
    outside the lab, and files that do not name every backend of this lab.
    """
    places = layout(list(texts))
    substitution = Substitution(replace)
    filled = {}
    for path, place in places.items():
        text = _point_to(texts[path], places, path.name)
        filled[place] = substitution.apply(text, values, path.name)
    refuse_strangers(own, {str(path): filled[place] for path, place in places.items()}, values)
    backends = [name for name in values if re.fullmatch(r"BACKEND_\d+", name)]
    missing = [name for name in backends if not any(values[f"{name}_PORT"] in text for text in filled.values())]
    if missing:
        raise BadArgumentsError(
            f"{next(iter(texts))} does not name {', '.join(missing)} of the lab, and every backend must be in use",
            f"write @{missing[0]}@ in it, or use --replace HOST:PORT={missing[0]} (docs/peers.md)",
        )
    for number, (place, text) in enumerate(filled.items()):
        write(folder / place, own.keep_inside(text, values, main=not number))
    return tuple(folder / place for place in filled)


def layout(files: Sequence[Path]) -> dict[Path, Path]:
    """Return a distinct relative path in the run's folder for each file.

    A file outside the main file's folder keeps its name, with as many of its folders as make the path distinct.
    """
    base = files[0].parent
    inside = {path: path.relative_to(base) for path in files if path.is_relative_to(base)}
    outside = [path for path in dict.fromkeys(files) if path not in inside]
    taken = set(inside.values())
    for depth in range(1, 1 + max((len(path.parts) for path in outside), default=0)):
        tails = {path: Path(*path.parts[-depth:]) for path in outside}
        if len({*tails.values()} | taken) == len(tails) + len(taken):
            return {path: inside.get(path) or tails[path] for path in files}
    return inside


def _point_to(text: str, places: Mapping[Path, Path], where: str) -> str:
    """Replace `@DIR@/name` by the path to which the file of that name was copied.

    Raise `BadArgumentsError` if several files have that name.
    """

    def place(match: re.Match[str]) -> str:
        kept = [str(each) for each in places.values() if each.name == match[1]]
        if not kept or match[1] in kept:
            return match[0]
        if len(kept) > 1:
            line, several = line_of(text, match.start()), " or ".join(f"@DIR@/{each}" for each in kept)
            raise BadArgumentsError(f"{where}:{line}: {match[0]} could be {several}", "write one of these")
        return f"@DIR@/{kept[0]}"

    return _IN_DIR.sub(place, text)
