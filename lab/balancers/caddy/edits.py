"""Changes that let Caddy serve one site of a user's Caddyfile from the lab's backends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ..configuration import Configuration, Edit, Listener, Place, Pool
from ..own_files import layout
from .reader import ANSWERS, GROUPS, Lead, addresses, is_matcher, leads, matcher_of
from .syntax import Caddyfiles, Segment

CLOSED: Final = "127.0.0.1:1"
"""An address of this machine at which nothing listens (tcpmux)."""
_ROUTE: Final = "the lab's requests take one route only"
_PATHS: Final = "the lab's backends serve their own paths"
_ONE_CLIENT: Final = "all requests of the lab come from one address, without credentials"
_PLAIN: Final = "the lab sends its requests without TLS"
_LOGS: Final = "the lab sends and keeps no such log"
_ELSEWHERE: Final = "the lab contacts only its own backends"
_CHECKED: Final = "the lab's backends answer a check with 200 at one path, at the port that serves requests"
_REMOVED: Final = {
    **dict.fromkeys((*GROUPS, *ANSWERS, "reverse_proxy", "respond", "file_server", "php_fastcgi"), _ROUTE),
    **dict.fromkeys(("handle_errors", "invoke", "acme_server", "metrics"), _ROUTE),
    **dict.fromkeys(("rewrite", "try_files", "uri", "method"), _PATHS),
    **dict.fromkeys(("basic_auth", "basicauth", "forward_auth", "rate_limit", "request_body"), _ONE_CLIENT),
    **dict.fromkeys(("log", "tracing"), _LOGS),
    "tls": _PLAIN,
    "bind": "the lab's address in its place",
}
_GLOBAL: Final = {
    **dict.fromkeys(("email", "acme_ca", "acme_ca_root", "acme_eab", "acme_dns", "cert_issuer", "local_certs"), _PLAIN),
    **dict.fromkeys(("on_demand_tls", "https_port", "pki", "ocsp_stapling", "dns", "ech", "renew_interval"), _PLAIN),
    **dict.fromkeys(("log", "metrics"), _LOGS),
    "storage": "what Caddy stores stays in the lab's folder",
    "default_bind": "the lab's address in its place",
}
_OPTIONS: Final = {
    **dict.fromkeys(("rewrite", "method"), _PATHS),
    **dict.fromkeys(
        ("health_port", "health_upstream", "health_body", "health_method", "health_request_body"), _CHECKED
    ),
}


class _Changes:
    """Collects the edits of one configuration."""

    def __init__(self, configuration: Configuration, listener: Listener, pool: Pool) -> None:
        self.found = Caddyfiles(list(configuration.texts))
        self.pool = pool
        self.edits: dict[Place, Edit] = {}
        self.places = layout(list(configuration.texts))
        self.site, ways = next((site, ways) for site, ways in leads(self.found) if site.place == listener.place)
        self.lead: Lead = next(lead for lead in ways if lead.pool == pool.name)
        self.used: set[Place] = set()
        """Snippets that the site uses."""
        self.read: set[Path] = {self.site.place.path}
        """Files that the site uses."""

    def add(self, place: Place, text: str, reason: str) -> None:
        self.edits.setdefault(place, Edit(place, text, reason))

    def all(self) -> list[Edit]:
        self._mark(self.site.block, ())
        self._top()
        self._global()
        self._site()
        self._proxy()
        for path, segments in self.found.parsed.items():
            self._imports(segments, path)
        kept: list[Edit] = []
        # What lies in a removed part needs no change of its own.
        for edit in sorted(self.edits.values(), key=lambda one: (str(one.place.path), one.place.start, -one.place.end)):
            last = kept[-1].place if kept else None
            if last is None or last.path != edit.place.path or edit.place.start >= last.end:
                kept.append(edit)
        return kept

    def _mark(self, block: Sequence[Segment], origins: tuple[Segment, ...]) -> None:
        """Note the snippets and files that the site uses."""
        for each in self.found.expanded(block, origins):
            self.used |= {origin.place for origin in each.origins}
            self.read.add(each.place.path)
            self._mark(each.block, each.origins)

    def _top(self) -> None:
        """Remove other sites, and snippets and files that only they use."""
        for site in self.found.sites:
            if site.place != self.site.place:
                self.add(site.place, "", f"the lab's requests go to {addresses(self.site)[0]} only")
        tops = {self.found.given[0], *(site.place.path for site in self.found.sites)}
        for path, segments in self.found.parsed.items():
            for each in segments:
                snippet = each.name.startswith(("(", "&("))
                if each.place not in self.used if snippet else path not in self.read | tops:
                    self.add(each.place, "", "the chosen site does not use it")

    def _global(self) -> None:
        """Remove global options that reach outside the lab."""
        for each in self.found.options:
            if reason := _GLOBAL.get(each.name):
                self.add(each.place, "", reason)
            for one in each.block:
                if one.name == "listener_wrappers":
                    self.add(one.place, "", "the lab's requests arrive without such a wrapper")

    def _site(self) -> None:
        """Let the site listen at the lab's address only, for any host, and lead every request to the proxy."""
        words = self.site.words
        place = Place(words[0].place.path, words[0].place.line, words[0].place.start, words[-1].place.end)
        address = "http://:@LISTEN_PORT@"
        told = f"the lab's address in place of {self.site.text}"
        if self.site.opened:
            self.add(place, address, told)
            self.add(self.site.opened, "{\n\tbind @LISTEN_HOST@", "the site accepts nothing from the network")
        else:
            self.add(place, f"{address}\nbind @LISTEN_HOST@", told)
        blocks = [self.site, *self.lead.chain]
        for outer, chosen in zip(blocks, [*self.lead.chain, self.lead.proxy], strict=True):
            for each in self.found.expanded(outer.block, outer.origins):
                if each == chosen:
                    self._enter(each)
                elif reason := _REMOVED.get(each.name):
                    self._drop(each, chosen, reason)

    def _drop(self, each: Segment, chosen: Segment, reason: str) -> None:
        """Remove a directive. If it is the same text as the chosen one, used twice, remove this use."""
        if each.place != chosen.place:
            self.add(each.place, "", reason)
            return
        mine = {origin.place for origin in chosen.origins}
        for origin in each.origins:
            if origin.place not in mine:
                self.add(origin.place, "", reason)
                return

    def _enter(self, each: Segment) -> None:
        """Let the directive apply to all requests."""
        matcher = matcher_of(each)
        if each.name == "handle_path" and matcher:
            name = each.words[0].place
            both = Place(name.path, name.line, name.start, matcher.place.end)
            self.add(both, "handle", f"the lab's requests have other paths than {matcher.text}")
            return
        if matcher and matcher.text != "*":
            self.add(matcher.place, "*", f"the lab's requests do not match {matcher.text}")

    def _proxy(self) -> None:
        lead = self.lead
        if lead.prefix.rstrip("/"):
            name = lead.proxy.words[0].place
            strip = f"uri strip_prefix {lead.prefix.rstrip('/')}\n\treverse_proxy"
            self.add(name, strip, f"the lab's backends serve their paths without {lead.prefix.rstrip('/')}")
        number = 0
        for word, every in lead.upstreams:
            names = [f"@BACKEND_{number + one}@" for one, _ in enumerate(every, 1)]
            number += len(every)
            self.add(word.place, " ".join(names), f"the lab's backend in place of {word.text}")
        if lead.dynamic:
            self.add(lead.dynamic.place, f"to @BACKEND_{number + 1}@", f"the lab's backend, not {lead.dynamic.text}")
        for each in lead.inner:
            self._option(each)

    def _option(self, each: Segment) -> None:
        values = each.words[1:]
        if reason := _OPTIONS.get(each.name):
            self.add(each.place, "", reason)
        elif each.name in ("health_uri", "health_path") and values:
            self.add(values[0].place, "@HEALTH@", _CHECKED)
        elif each.name == "health_status" and values and values[0].text not in ("200", "2xx", "2"):
            self.add(values[0].place, "200", _CHECKED)
        elif each.name == "transport":
            for one in each.block:
                if one.name.startswith("tls") or one.name in ("versions", "local_address", "proxy_protocol"):
                    self.add(one.place, "", "the lab's backends speak HTTP/1.1 without TLS")
        else:
            for one in self._nested(each):
                for word in one.words[1:]:
                    if not is_matcher(word):
                        self.add(word.place, CLOSED, f"{_ELSEWHERE}, not {word.text}")

    def _nested(self, each: Segment) -> Iterator[Segment]:
        """Yield proxies within the proxy, such as those that serve an error page."""
        for one in self.found.expanded(each.block, each.origins):
            if one.name in ("reverse_proxy", "to", "php_fastcgi", "forward_auth"):
                yield one
            yield from self._nested(one)

    def _imports(self, segments: Sequence[Segment], path: Path) -> None:
        """Replace the paths of imported files that have a different place in the lab's copy."""
        for each in segments:
            if each.name != "import":
                self._imports(each.block, path)
                continue
            pattern = each.words[1].text
            if pattern in self.found.snippets or "{args" in pattern:
                continue
            files = self.found.imported(each)
            if files and all(file in set(path.parent.glob(pattern)) for file in files if pattern[0] not in "/@"):
                below = path.parent.is_relative_to(self.found.given[0].parent)
                if pattern[0] not in "/@" and below:
                    continue
            arguments = "".join(f" {word.text}" for word in each.words[2:])
            text = "\n".join(f"import @DIR@/{self.places[file]}{arguments}" for file in files)
            told = "the files that were given, in the lab's copy" if files else f"no file for {pattern} was given"
            self.add(each.place, text, told)


def edits(configuration: Configuration, listener: Listener, pool: Pool) -> Sequence[Edit]:
    """Return the changes, in the order of files and places."""
    return _Changes(configuration, listener, pool).all()
