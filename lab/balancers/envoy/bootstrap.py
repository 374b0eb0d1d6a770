"""Finds listeners, routes and clusters in an Envoy bootstrap file and the discovery files that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import own_files
from ..documents import Node, read_yaml

_TYPE: Final = "@type"


@dataclass(frozen=True, slots=True)
class Way:
    """A route, or a TCP proxy, that leads from a filter chain of a listener to clusters."""

    listener: Node
    chain: Node
    manager: Node
    """Configuration of the HTTP connection manager or of the TCP proxy."""
    host: Node
    """The virtual host; absent for a TCP proxy."""
    route: Node
    """The entry of `routes`; absent for a TCP proxy."""

    @property
    def action(self) -> Node:
        """The part of the configuration that names the clusters."""
        return self.route.at("route") if self.route else self.manager

    @property
    def clusters(self) -> list[str]:
        """Names of the clusters, the one with the largest weight first."""
        weighted = self.weighted
        if not weighted:
            return [only] if (only := self.action.at("cluster").string()) else []
        order = sorted(weighted, key=lambda each: -int(float(each.at("weight").string("0"))))
        return [each.at("name").string() for each in order]

    @property
    def weighted(self) -> Sequence[Node]:
        """Entries of `weighted_clusters`."""
        return self.action.at("weighted_clusters", "clusters").listing()

    @property
    def any_host(self) -> bool:
        """Whether a request needs no certain Host header."""
        return not self.host or any(each.string() == "*" for each in self.host.at("domains").listing())

    @property
    def prefix(self) -> str:
        """What the path of a request begins with; `/` if the route does not look at it, or by a pattern."""
        match = self.route.at("match")
        kinds = ("prefix", "path", "path_separated_prefix")
        return next((found.string() for kind in kinds if (found := match.at(kind))), "/") or "/"

    @property
    def any_path(self) -> bool:
        """Whether the route accepts every path."""
        match = self.route.at("match")
        patterns = ("safe_regex", "path_match_policy", "connect_matcher")
        return self.prefix == "/" and not match.at("path") and not any(match.at(each) for each in patterns)

    @property
    def any_request(self) -> bool:
        """Whether the route accepts every path, and has no condition other than on the method."""
        match = self.route.at("match")
        odd = [each for each in match.at("headers").listing() if each.at("name").string() != ":method"]
        return (
            self.any_path and not odd and not any(match.at(each) for each in ("query_parameters", "runtime_fraction"))
        )

    def accepts(self, method: str) -> bool:
        """Return whether the route's conditions on the method allow this one."""
        headers = self.route.at("match", "headers").listing()
        conditions = [each for each in headers if each.at("name").string() == ":method"]
        return all(_fits(each, method) != (each.at("invert_match").string() == "true") for each in conditions)


def _fits(condition: Node, method: str) -> bool:
    match = condition.at("string_match")
    if pattern := match.at("safe_regex", "regex") or condition.at("safe_regex_match", "regex"):
        try:
            return re.fullmatch(pattern.string(), method) is not None
        except re.error:
            return True
    if exact := match.at("exact") or condition.at("exact_match"):
        return exact.string() == method
    if prefix := match.at("prefix") or condition.at("prefix_match"):
        return method.startswith(prefix.string())
    return True


def source_path(source: Node) -> Node:
    """Return the file that a `config_source` names; absent if its resources come from elsewhere."""
    return source.at("path_config_source", "path") or source.at("path")


class Bootstrap:
    """The documents of a configuration, and the resources in them."""

    def __init__(self, texts: dict[Path, str]) -> None:
        """Read the documents. Files that they name are added to `texts`.

        Raise `BadArgumentsError` that names file and line if a document cannot be read, or none is a bootstrap file.
        """
        self.texts = texts
        self.documents = {path: read_yaml(path, text) for path, text in texts.items()}
        self.main = self._find_main()
        static, dynamic = self.main.at("static_resources"), self.main.at("dynamic_resources")
        self.listener_lists = [static.at("listeners"), self._resources(dynamic.at("lds_config"))]
        self.cluster_lists = [static.at("clusters"), self._resources(dynamic.at("cds_config"))]
        self.listeners = [each for one in self.listener_lists for each in one.listing()]
        self.clusters = [each for one in self.cluster_lists for each in one.listing()]
        self.assignments = {name(each): self._assignment(each) for each in self.clusters}
        self.ways = [way for each in self.listeners for way in self._ways(each)]

    def _find_main(self) -> Node:
        for document in self.documents.values():
            if any(document.at(each) for each in ("static_resources", "dynamic_resources")):
                return document
        first = next(iter(self.documents.values()))
        raise first.error(
            "not a bootstrap file of Envoy: neither static_resources nor dynamic_resources is there",
            "give the file that envoy -c names, and the files that it names",
        )

    def _resources(self, source: Node) -> Node:
        """Return the list `resources` of the file that a configuration source names; absent if it names none."""
        return self._file(found).at("resources") if (found := source_path(source)) else found

    def _file(self, named: Node) -> Node:
        """Return the document of a file that is named by its path: one of those given, or one beside the main file."""
        wanted = Path(named.string())
        for path, document in self.documents.items():
            if path.name == wanted.name:
                return document
        folder = self.main.path.parent
        found = [each for each in (folder / wanted, folder / wanted.name) if each.is_file()]
        if not found:
            raise named.error(f"there is no file {wanted}", "give this file, too")
        path = found[0]
        self.texts[path] = own_files.read(path)
        self.documents[path] = read_yaml(path, self.texts[path])
        return self.documents[path]

    def _assignment(self, cluster: Node) -> Node:
        """Return the load assignment of a cluster: its own, or the one in a file of endpoints."""
        own, eds = cluster.at("load_assignment"), cluster.at("eds_cluster_config")
        if own or not eds:
            return own
        service = eds.at("service_name").string() or name(cluster)
        found = self._resources(eds.at("eds_config")).listing()
        return next((each for each in found if each.at("cluster_name").string() == service), own)

    def _ways(self, listener: Node) -> Iterator[Way]:
        for chain in chains(listener):
            for filter_ in chain.at("filters").listing():
                config = filter_.at("typed_config")
                if is_type(config, "HttpConnectionManager"):
                    yield from self._routes(listener, chain, config)
                elif is_type(config, "TcpProxy"):
                    absent = config.at("route_config")
                    yield Way(listener, chain, config, absent, absent)

    def _routes(self, listener: Node, chain: Node, manager: Node) -> Iterator[Way]:
        for host in self.routes(manager).at("virtual_hosts").listing():
            for route in host.at("routes").listing():
                yield Way(listener, chain, manager, host, route)

    def routes(self, manager: Node) -> Node:
        """Return the route configuration of a connection manager; absent if it comes from a server."""
        if own := manager.at("route_config"):
            return own
        wanted = manager.at("rds", "route_config_name").string()
        found = self._resources(manager.at("rds", "config_source")).listing()
        return next((each for each in found if each.at("name").string() == wanted), own)


def name(node: Node) -> str:
    """Return the name of a listener or cluster."""
    return node.at("name").string()


def is_type(config: Node, wanted: str) -> bool:
    """Return whether the message has this type, whatever its package."""
    kind = config.at(_TYPE).value if isinstance(config.value, dict) else None
    return isinstance(kind, str) and kind.rpartition(".")[2] == wanted


def chains(listener: Node) -> list[Node]:
    """Return the filter chains, the default one last."""
    default = listener.at("default_filter_chain")
    return [*listener.at("filter_chains").listing(), *([default] if default else [])]
