"""A user's own configuration files: copied, with the addresses of this lab in place of theirs.

Files are read and written as bytes that need be no UTF-8: what is not replaced stays as it was.
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
"""Every byte survives the way to text and back, so a file in Latin-1 is as good as one in UTF-8."""
_IN_DIR = re.compile(r"@DIR@/([\w.-]+)")


def read(path: Path) -> str:
    """The file's text. Raises `BadArgumentsError` if it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", _ERRORS)
    except OSError as error:
        raise BadArgumentsError(f"{path} cannot be read: {error.strerror}", "give the file of your balancer") from error


def write(path: Path, text: str) -> None:
    """Write what `read` gave, or part of it; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", _ERRORS))


def unused(replace: Iterable[tuple[str, str]], files: Iterable[Path]) -> list[tuple[str, str]]:
    """Each replaced text that occurs in none of the files, and where it stands only as a part of something longer."""
    texts = {path: read(path) for path in files}
    found = []
    for old, name in replace:
        one = Substitution([(old, name)])
        if not any(one.occurs(text) for text in texts.values()):
            places = (f"{path.name}:{part}" for path, text in texts.items() for part in one.parts(text))
            found.append((old, next(places, "")))
    return found


def adopt(
    own: OwnFiles, files: Sequence[str], replace: Sequence[tuple[str, str]], values: Mapping[str, str], folder: Path
) -> tuple[Path, ...]:
    """Copy the files into `folder`, filled in and kept from reaching out; return the copies, the main one first.

    Files below the main one's folder keep their place relative to it, so that its relative includes find them.
    Replacements apply to the files in which their text occurs. Raises `BadArgumentsError` for a file that cannot be
    read, an unknown placeholder, and where no backend of this lab ends up in the files.
    """
    places = layout([Path(each) for each in files])
    substitution = Substitution(replace)
    filled = {}
    for path, place in places.items():
        text = _point_to(read(path), places, path.name)
        filled[place] = substitution.apply(text, values, path.name)
    refuse_strangers(own, {str(path): filled[place] for path, place in places.items()}, values)
    backends = [name for name in values if re.fullmatch(r"BACKEND_\d+", name)]
    missing = [name for name in backends if not any(values[f"{name}_PORT"] in text for text in filled.values())]
    if missing:
        raise BadArgumentsError(
            f"{files[0]} does not name {', '.join(missing)} of the lab, and every backend has to be in use",
            f"write @{missing[0]}@ in it, or say --replace HOST:PORT={missing[0]} (docs/peers.md)",
        )
    for number, (place, text) in enumerate(filled.items()):
        write(folder / place, own.keep_inside(text, values, main=not number))
    return tuple(folder / place for place in filled)


def layout(files: Sequence[Path]) -> dict[Path, Path]:
    """For each file its relative place in the run's folder; no two share one.

    A file outside the main file's folder gets its name, with as many of its folders as tell it from the others.
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
    """Let `@DIR@/name` mean the one copied file of that name, wherever it was copied to.

    Raises `BadArgumentsError` if there are several.
    """

    def place(match: re.Match[str]) -> str:
        kept = [str(each) for each in places.values() if each.name == match[1]]
        if not kept or match[1] in kept:
            return match[0]
        if len(kept) > 1:
            line, several = line_of(text, match.start()), " or ".join(f"@DIR@/{each}" for each in kept)
            raise BadArgumentsError(f"{where}:{line}: {match[0]} could be {several}", "write which of them is meant")
        return f"@DIR@/{kept[0]}"

    return _IN_DIR.sub(place, text)
