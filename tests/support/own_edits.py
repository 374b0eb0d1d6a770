"""Applies the edits of an adapter to a user's files, with values like those of a lab."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from lab.balancers.adapter import OwnFiles
from lab.balancers.configuration import Configuration, Edit, FailoverSettings, Listener, Pool, Value
from lab.balancers.own_files import layout, write
from lab.balancers.substitution import fill

CORPUS = Path(__file__).parent.parent / "corpus"
_ADDRESS = re.compile(
    r"""(?<![\w.$/-])(?:\d{1,3}(?:\.\d{1,3}){3}|[a-z][\w-]*(?:\.[\w-]+)*(?=:\d{2,5}\b)|\[[0-9a-f:]*:[0-9a-f:]*\])"""
)


def lab_values(folder: Path, listen: str = "127.0.0.1:28999", backends: Sequence[str] = ()) -> dict[str, str]:
    """Values of the placeholders for eight backends, or for those given."""
    given = backends or [f"127.0.0.1:2810{number}" for number in range(1, 9)]
    named = {"LISTEN": listen, "ADMIN": "127.0.0.1:28998"}
    named |= {f"BACKEND_{number}": address for number, address in enumerate(given, 1)}
    parts = {f"{name}_HOST": each.rpartition(":")[0] for name, each in named.items()}
    parts |= {f"{name}_PORT": each.rpartition(":")[2] for name, each in named.items()}
    return {**named, **parts, "DIR": str(folder), "HEALTH": "/health"}


def choose(configuration: Configuration, listener: str, pool: str) -> tuple[Listener, Pool]:
    """The listener and the pool of these names."""
    (one,) = (each for each in configuration.listeners if each.name == listener)
    (other,) = (each for each in configuration.pools if each.name == pool)
    return one, other


def ways(configuration: Configuration) -> list[tuple[Listener, Pool]]:
    """Every pair of a listener and a pool that it leads to."""
    pools = {each.name: each for each in configuration.pools}
    return [(listener, pools[name]) for listener in configuration.listeners for name in listener.pools]


def edited(configuration: Configuration, edits: Sequence[Edit]) -> dict[Path, str]:
    """All texts with the edits applied. Each edit must be on the line that it says, and none may overlap another."""
    texts = dict(configuration.texts)
    for path in texts:
        text, later = texts[path], len(texts[path])
        for edit in sorted((e for e in edits if e.place.path == path), key=lambda e: -e.place.start):
            assert 0 <= edit.place.start <= edit.place.end <= later, edit
            assert edit.place.line == configuration.texts[path].count("\n", 0, edit.place.start) + 1, edit
            assert edit.reason, edit
            text, later = text[: edit.place.start] + edit.text + text[edit.place.end :], edit.place.start
        texts[path] = text
    return texts


def written(
    own: OwnFiles, configuration: Configuration, edits: Sequence[Edit], values: Mapping[str, str]
) -> list[Path]:
    """Write the edited files into the folder of the values, main file first, as the lab does."""
    texts, folder = edited(configuration, edits), Path(values["DIR"])
    places = layout(list(texts))
    for number, (path, text) in enumerate(texts.items()):
        filled = fill(text, values, path.name)
        write(folder / places[path], own.keep_inside(filled, values, main=not number))
    return [folder / places[path] for path in texts]


def strangers(text: str) -> list[str]:
    """Addresses in the text that are not of this machine's loopback interface."""
    bare = re.sub(r"(?m)(?:^|\s)#.*$", "", text)
    return [each for each in _ADDRESS.findall(bare) if not re.match(r"127\.|localhost$", each)]


def deciding(settings: FailoverSettings) -> list[Any]:
    """Values without their places, and without the path and the kind of checks."""
    checks, passive = settings.checks, settings.passive
    parts = [settings, settings.retries, *([checks] if checks else []), *([passive] if passive else [])]
    names = [(part, each.name) for part in parts for each in fields(part) if each.name not in ("path", "kind")]
    found = [getattr(part, name) for part, name in names]
    return [each.value for each in found if isinstance(each, Value)]
