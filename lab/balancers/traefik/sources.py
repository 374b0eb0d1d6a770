"""Finds Traefik's static and dynamic configuration in files, in flags and in Docker labels.

Traefik reads labels and flags from places that the lab does not have, so they are written as files: flags of a
compose file as `traefik-static.yaml`, labels as `traefik-dynamic.yaml`. Several dynamic files that are in no folder of
their own are merged into the latter, too, because Traefik reads either one file or a whole folder.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from .. import own_files
from ..configuration import Place
from ..documents import Node, absent, dump, loose, read_yaml
from ..toml_document import read_toml

STATIC_FILE: Final = "traefik-static.yaml"
DYNAMIC_FILE: Final = "traefik-dynamic.yaml"
_STATIC: Final = {
    "entrypoints", "providers", "api", "log", "accesslog", "certificatesresolvers", "metrics", "tracing", "ping",
    "global", "serverstransport", "experimental", "core",
}  # fmt: skip
_DYNAMIC: Final = {"http", "tcp", "udp", "tls"}
_INDEX: Final = re.compile(r"(.+)\[\d+\]")
_PROVIDER: Final = re.compile(r"@(?:docker|swarm|file)\b")


class Sources:
    """The documents of a configuration."""

    def __init__(self, texts: dict[Path, str]) -> None:
        """Sort the documents. Texts that are generated are added to `texts`, and become the first ones.

        Raise `BadArgumentsError` that names file and line if a document cannot be read, or none is of Traefik.
        """
        self.origins: dict[tuple[Path, int], Place] = {}
        """Where each line of a generated text comes from."""
        self.texts = texts
        self.documents = {path: _document(path, text) for path, text in texts.items()}
        roots = {path: set(map(loose, document.mapping())) for path, document in self.documents.items()}
        self.compose = [self.documents[path] for path, keys in roots.items() if "services" in keys]
        static = [self.documents[path] for path, keys in roots.items() if keys & _STATIC and "services" not in keys]
        dynamic = [self.documents[path] for path, keys in roots.items() if keys & _DYNAMIC and "services" not in keys]
        self.home = next(iter(texts)).parent
        if not (static or dynamic or self.compose):
            raise next(iter(self.documents.values())).error(
                "not a configuration of Traefik: neither entryPoints, nor http, nor a compose file's services",
                "give the static file, the dynamic files, and the compose file with labels, if there is one",
            )
        self.static = static[0] if static else self._generated(STATIC_FILE, self._flags())
        self.dynamic = self._single([each for each in dynamic if each is not self.static])
        order = [self.static.path, *(each.path for each in self.dynamic)]
        self.texts = {path: texts[path] for path in dict.fromkeys([*order, *texts])}

    @property
    def folder(self) -> str:
        """Folder of several dynamic files, below that of the static file; empty if there is one file."""
        return _common(self.static, self.dynamic) if len(self.dynamic) > 1 else ""

    def _generated(self, name: str, draft: dict[str, Any]) -> Node:
        """Return the document of a draft, whose text is added under this name."""
        path = self.home / name
        lines = list(_lines(draft, ""))
        self.texts[path] = "".join(f"{line}\n" for line, _ in lines)
        place = None
        for number in range(len(lines), 0, -1):
            # The line of a key without a value comes from where the first value below it does.
            place = lines[number - 1][1] or place
            if place:
                self.origins[path, number] = place
        self.documents[path] = read_yaml(path, self.texts[path])
        return self.documents[path]

    def _single(self, dynamic: list[Node]) -> list[Node]:
        """Return the dynamic documents that Traefik can read together."""
        for each in dynamic:
            if each.path.name == DYNAMIC_FILE:
                return [each]
        services = [each for one in self.compose for each in one.at("services").mapping().values()]
        if (
            dynamic
            and not any(any(_labels(each)) for each in services)
            and (len(dynamic) == 1 or _common(self.static, dynamic))
        ):
            return dynamic
        draft: dict[str, Any] = {}
        for each in dynamic:
            _add(draft, each)
        for each in self.compose:
            for name, service in each.at("services").mapping().items():
                _labelled(draft, name, service)
        return [self._generated(DYNAMIC_FILE, draft)]

    def _flags(self) -> dict[str, Any]:
        """Return the static configuration of the flags in compose files."""
        draft: dict[str, Any] = {}
        for document in self.compose:
            for service in document.at("services").mapping().values():
                if "traefik" in str(service.at("image").value):
                    for word, place in _words(service.at("command")):
                        if word.startswith("--"):
                            key, equals, value = word[2:].partition("=")
                            _put(draft, key.split("."), json.dumps(value if equals else "true"), place)
        return draft


def _document(path: Path, text: str) -> Node:
    return read_toml(path, text) if path.suffix == ".toml" else read_yaml(path, text)


def read_files(files: list[Path]) -> Sources:
    """Return the sources in these files, and in those that the static configuration's file provider names.

    Raise `BadArgumentsError` that names file and line if that names nothing that exists, and no other file is given.
    """
    texts = {path: own_files.read(path) for path in files}
    for path in files:
        document = _document(path, texts[path])
        provider = document.at("providers", "file") if "services" not in document.mapping() else absent()
        for named in filter(None, (provider.at("filename"), provider.at("directory"))):
            found = list(_beside(path.parent, Path(named.string())))
            if not found and len(files) == 1:
                raise named.error(f"there is no {named.string()}", "give the dynamic files, too")
            texts |= {each: own_files.read(each) for each in found if each not in texts}
    return Sources(texts)


def _beside(folder: Path, wanted: Path) -> Iterator[Path]:
    """Yield the file, or the files of the folder, that is named; one beside the static file if it is elsewhere."""
    for place in (folder / wanted, folder / wanted.name):
        if place.is_file():
            yield place
            return
        if place.is_dir() and place != folder:
            yield from sorted(each for each in place.rglob("*") if each.suffix in (".yml", ".yaml", ".toml"))
            return


def _common(static: Node, dynamic: list[Node]) -> str:
    """Return the folder with all dynamic files, relative to that of the static file; empty if that is not below it."""
    folders = {each.path.parent for each in dynamic}
    common = Path(os.path.commonpath(folders))
    inside = common.is_relative_to(static.path.parent) and common != static.path.parent
    return str(common.relative_to(static.path.parent)) if inside else ""


def _words(command: Node) -> Iterator[tuple[str, Place]]:
    """Yield the words of a compose file's `command`, which is a list or one text."""
    if isinstance(command.value, str):
        for word in shlex.split(command.value):
            yield word, command.place
    for each in command.listing() if isinstance(command.value, list) else []:
        yield each.string(), each.place


def labels_of(service: Node) -> tuple[Node, Node]:
    """Return the two places where a compose file's service may have labels."""
    return service.at("labels"), service.at("deploy", "labels")


def _labels(service: Node) -> Iterator[tuple[str, str, Place]]:
    """Yield name, value and place of each of a service's labels that are Traefik's."""
    for labels in labels_of(service):
        if isinstance(labels.value, list):
            pairs = [(each.string().partition("="), each.place) for each in labels.listing()]
            found = [(name.strip(), value, place) for (name, _, value), place in pairs]
        else:
            found = [(name, each.string(), each.place) for name, each in labels.mapping().items()]
        for name, value, place in found:
            if name.lower().startswith("traefik."):
                # Compose reads $$ as a dollar sign.
                yield name, value.replace("$$", "$"), place


def _labelled(draft: dict[str, Any], name: str, service: Node) -> None:
    """Add to the draft what the labels of a compose file's service say, as Traefik's Docker provider does.

    https://doc.traefik.io/traefik/reference/routing-configuration/other-providers/docker/
    """
    labels = list(_labels(service))
    enabled = next((value for key, value, _ in labels if key.lower() == "traefik.enable"), "true")
    if not labels or enabled.lower() != "true":
        return
    own: dict[str, Any] = {}
    for key, value, place in labels:
        path = key.split(".")[1:]
        if path[0].lower() == "http":
            _put(own, path, json.dumps(_PROVIDER.sub("", value)), place)
    http = own.setdefault("http", {})
    services = _below(http, "services")
    if not services:
        services[name] = {}
    for each in services.values():
        _servers(_below(each, "loadBalancer"), name, service)
    routers = _below(http, "routers")
    if not routers:
        routers[name] = {"rule": (json.dumps(f"Host(`{name}`)"), service.place)}
    for router in routers.values():
        if not any(loose(key) == "service" for key in router) and len(services) == 1:
            router["service"] = (json.dumps(next(iter(services))), service.place)
    _merge(draft, own)


def _servers(balancer: dict[str, Any], name: str, service: Node) -> None:
    """Write the servers of a load balancer: one for each replica of the compose file's service."""
    server = _below(balancer, "server", take=True)
    ports = service.at("expose").listing() or service.at("ports").listing()
    exposed = re.sub(r".*:|/.*", "", str(ports[0].value)) if ports else "80"
    port, place = server.get("port", (json.dumps(exposed), service.place))
    scheme = json.loads(server["scheme"][0]) if "scheme" in server else "http"
    url = json.loads(server["url"][0]) if "url" in server else f"{scheme}://{name}:{json.loads(port)}"
    count = service.at("deploy", "replicas") or service.at("scale")
    balancer["servers"] = [(json.dumps({"url": url}), place)] * int(count.string("1"))


def _below(draft: dict[str, Any], key: str, *, take: bool = False) -> dict[str, Any]:
    """Return the mapping of this key, whatever its case; a new one if there is none. `take`: remove it."""
    found = next((each for each in draft if loose(each) == loose(key)), key)
    inner: dict[str, Any] = draft.pop(found, {}) if take else draft.setdefault(found, {})
    return inner


def _put(draft: dict[str, Any], keys: list[str], text: str, place: Place) -> None:
    """Write a value below these keys. A key such as `domains[0]` is an item of a list, whose other keys follow."""
    for key in keys[:-1]:
        draft = _below(draft, key)
        if not isinstance(draft, dict):
            return
    last = next((each for each in draft if loose(each) == loose(keys[-1])), keys[-1])
    if not isinstance(draft.get(last), dict):
        draft[last] = (text, place)


def _add(draft: dict[str, Any], node: Node) -> None:
    """Add a document to the draft."""
    for key, each in node.mapping().items():
        if isinstance(each.value, dict):
            _add(draft.setdefault(key, {}), each)
        elif isinstance(each.value, list):
            draft.setdefault(key, []).extend((dump(item), item.place) for item in each.listing())
        else:
            draft[key] = (dump(each), each.place)


def _merge(draft: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict):
            _merge(draft.setdefault(key, {}), value)
        elif isinstance(value, list):
            draft.setdefault(key, []).extend(value)
        else:
            draft.setdefault(key, value)


def _lines(draft: dict[str, Any], indent: str) -> Iterator[tuple[str, Place | None]]:
    """Yield the lines of a draft as YAML, each with the place that it comes from."""
    lists: dict[str, list[str]] = {}
    for key, value in draft.items():
        if found := _INDEX.fullmatch(key):
            lists.setdefault(found[1], []).append(_flow(value))
        elif isinstance(value, dict):
            yield f"{indent}{json.dumps(key)}:", None
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list):
            yield f"{indent}{json.dumps(key)}:", None
            for text, place in value:
                yield f"{indent}- {text}  # {place}", place
        else:
            yield f"{indent}{json.dumps(key)}: {value[0]}  # {value[1]}", value[1]
    for key, items in lists.items():
        yield f"{indent}{json.dumps(key)}: [{', '.join(items)}]", None


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_flow(each)}' for key, each in value.items())}}}"
    return str(value[0])
