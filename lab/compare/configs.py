"""Writes and reads the compared configurations: what the lab rendered, and users' own files as given and as run.

Everything has example addresses, because each run has others.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ..balancers import adapter
from ..balancers.changes import unified_diff
from ..balancers.own_files import adopt, layout, read, write
from ..balancers.requirements import Address, Backend, Level, ProxySpec
from ..balancers.selection import Choice, Wanted
from ..output.inert import one_line
from .document import label
from .runner import Entry

FOLDER: Final = "configs"
ORIGINAL: Final = "original"
"""Folder of a user's files, byte for byte as they were given."""
CHANGED: Final = "changed"
"""Folder of the same files as the lab ran them."""
CHANGES: Final = "changes.txt"
"""Every change with file, line and reason, and the files that were not copied."""
DIFF: Final = "changes.diff"
MOST_BYTES: Final = 4 * 1024 * 1024
"""Limit of the sum of one entry's files. Configurations have kilobytes; a list of addresses may have gigabytes."""
_HOST: Final = "127.0.0.1"
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_PASSWORDS: Final = re.compile(
    r"(?:[ \t]*(?:#.*)?\r?\n|[\w.@+-]+:(?:\$\w|\{SHA\}|[./\w]{13}\r?$)[^\n]*\n?)+", re.MULTILINE
)
"""A whole file of `user:hash` lines, as `htpasswd` writes them."""


@dataclass(frozen=True, slots=True)
class OwnConfig:
    """A user's files in the folder of a comparison."""

    name: str
    """Name of the entry's folder."""
    links: tuple[tuple[str, str], ...]
    """Path and relative URL of each file."""
    changes: str


def write_configs(entries: Sequence[Entry], folder: Path, known: Sequence[str] = ()) -> None:
    """Write each entry's configuration as `configs/<entry>/…`.

    `known`: names of entries that are in the folder already, or will be, in a fixed order, which makes the names of
    their folders distinct. Raise `BadArgumentsError` if the lab cannot run a user's files.
    """
    names = _folders([*known, *(label(each.choice.name, each.settings) for each in entries)])
    for entry in entries:
        target = folder / FOLDER / names[label(entry.choice.name, entry.settings)]
        if entry.choice.adapter and entry.choice.files:
            _write_own(entry.choice, target)
        elif entry.choice.adapter:
            target.mkdir(parents=True, exist_ok=True)
            for name, text in rendered(entry.choice).items():
                (target / name).write_text(text, encoding="utf-8")


def rendered(choice: Choice) -> dict[str, str]:
    """Return the files, by name, that the lab renders for a choice without files of its own, with example addresses."""
    with tempfile.TemporaryDirectory(prefix="lab-configs-") as folder:
        paths = adapter(choice.adapter).render(_example(choice.level), Path(folder))
        return {
            each.name: each.read_text(encoding="utf-8").replace(f"{folder}/", "").replace(folder, ".") for each in paths
        }


def changes(choice: Choice) -> Iterator[str]:
    """Yield the lines that say what the lab changes in the imported files of a choice."""
    imported = choice.imported()
    yield f"{choice.name}: requests take {imported.route}"
    yield from (f"  {line}" for line in imported.told())
    for each in imported.kept_unknown():
        yield f"  {each.place}: {one_line(each.text)} may affect failover; it stays as it is"


def told_once(choices: Sequence[Choice]) -> Iterator[str]:
    """Yield `changes` of all imported choices, of which two versions of a file share most: each only once."""
    known: dict[str, str] = {}
    for choice in (each for each in choices if each.pool):
        head, *lines = changes(choice)
        yield head
        plain = {line: re.sub(r"^\s*\S+?:\d+: ", "", line) for line in lines}
        yield from (line for line in lines if plain[line] not in known)
        again = Counter(known[each] for each in plain.values() if each in known)
        yield from (f"  and {count} of the changes of {name}" for name, count in again.items())
        known = dict.fromkeys(plain.values(), choice.name) | known


def read_configs(folder: Path) -> list[tuple[str, str]]:
    """Return (`entry/file`, text) of each rendered file."""
    root = folder / FOLDER
    files = [each for each in sorted(root.glob("*/*")) if not (each.parent / CHANGES).exists()]
    return [(str(each.relative_to(root)), each.read_text(encoding="utf-8")) for each in files]


def read_own(folder: Path) -> list[OwnConfig]:
    """Return the users' own files, by the name of their entry's folder."""
    found = []
    for told in sorted((folder / FOLDER).glob(f"*/{CHANGES}")):
        files = [each for each in sorted(told.parent.rglob("*")) if each.is_file() and each != told]
        links = tuple((str(each.relative_to(told.parent)), quote(str(each.relative_to(folder)))) for each in files)
        found.append(OwnConfig(told.parent.name, links, told.read_text(encoding="utf-8", errors="replace")))
    return found


def _write_own(choice: Choice, target: Path) -> None:
    own = adapter(choice.adapter).own_files
    assert own is not None, "a choice with files is of a program that can run them"
    before = dict(choice.imported().configuration.texts if choice.pool else choice.texts())
    places = layout(list(before))
    backends = {f"api-{number}": f"{_HOST}:{9000 + number}" for number in range(1, (choice.backends or 3) + 1)}
    wanted = Wanted(f"{_HOST}:8080", f"{_HOST}:8081", backends)
    adopt(own, choice.texts(), choice.replace, wanted.placeholders(target / CHANGED), target / CHANGED)
    after = {path: read(target / CHANGED / place).replace(f"{target / CHANGED}/", "") for path, place in places.items()}
    secret = dict(_left_out(before, places))
    for path, place in places.items():
        if path in secret:
            (target / CHANGED / place).unlink()
            continue
        write(target / CHANGED / place, after[path])
        if path.exists():  # the lab writes flags and labels of a compose file as files that the user does not have
            write(target / ORIGINAL / place, before[path])
    kept = [path for path in places if path not in secret]
    lines = [
        line
        for path in kept
        for line in unified_diff(before[path], after[path], f"a/{places[path]}", f"b/{places[path]}")
    ]
    write(target / DIFF, "".join(lines))
    lines = [*changes(choice)] if choice.pool else [f"{old} → @{name}@ (--replace)" for old, name in choice.replace]
    write(target / CHANGES, "".join(f"{line}\n" for line in [*lines, *secret.values()]))


def _left_out(texts: Mapping[Path, str], places: Mapping[Path, Path]) -> Iterator[tuple[Path, str]]:
    """Yield each file that must not be copied into the report, with a line that says why."""
    size = 0
    for path, text in texts.items():
        size += len(text)
        if _PRIVATE_KEY.search(text):
            yield path, f"{places[path]} is not copied: it has a private key"
        elif text.strip() and _PASSWORDS.fullmatch(text):
            yield path, f"{places[path]} is not copied: it has passwords"
        elif size > MOST_BYTES:
            yield path, f"{places[path]} is not copied: the files have more than {MOST_BYTES // 2**20} MiB"


def _folders(names: Sequence[str]) -> dict[str, str]:
    """Return a distinct name of a folder for each name of an entry."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "entry"
        number = sum(each == plain or each.startswith(f"{plain}~") for each in found.values())
        found[name] = f"{plain}~{number + 1}" if number else plain
    return found


def _example(level: str) -> ProxySpec:
    backends = tuple(Backend(f"api-{number}", Address(_HOST, 9000 + number)) for number in (1, 2, 3))
    return ProxySpec(Address(_HOST, 8080), Address(_HOST, 8081), backends, level=Level(level))
