"""Settings and defaults that a program got in a certain version. The readers assume those of newer versions.

nginx: https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive. Envoy: its changelog of 1.31.0. Traefik:
the first of 3.2.0, 3.3.6, 3.4.0, 3.5.0, 3.6.0 and 3.7.0 that accepts the setting. Caddy: the first of 2.8.4, 2.9.1 and
2.10.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..balancers.configuration import Configuration, Place, Pool
from ..errors import BadArgumentsError

_COMMENT: Final = re.compile(r"(?m)(?:^|(?<=[ \t]))#.*$")


@dataclass(frozen=True, slots=True)
class Added:
    """A setting that older versions refuse."""

    pattern: str
    """Regular expression of the setting in a file."""
    since: str
    docs: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between the user's version and the one that the predictions assume."""

    place: Place | None
    told: str
    docs: str


_TRAEFIK: Final = "https://doc.traefik.io/traefik/reference/routing-configuration/http"
_SERVICE, _RETRY = f"{_TRAEFIK}/load-balancing/service/", f"{_TRAEFIK}/middlewares/retry/"
_CADDY: Final = "https://caddyserver.com/docs/caddyfile/directives/reverse_proxy"
ADDED: Final = {
    "traefik": (
        Added(r"""(?i)\bstrategy["']?\s*[:=]\s*["']?p2c\b""", "3.4", _SERVICE),
        Added(r"""(?i)\bstrategy["']?\s*[:=]\s*["']?(?:hrw|leasttime)\b""", "3.6", _SERVICE),
        Added(r"(?i)\bunhealthyInterval\b", "3.5", _SERVICE),
        Added(r"(?i)\bpassiveHealthCheck\b", "3.6", _SERVICE),
        Added(r"(?i)\b(?:retryNonIdempotentMethod|disableRetryOnNetworkError|maxRequestBodyBytes)\b", "3.7", _RETRY),
        Added(r"(?i)\bretry\b[^\n]*\bstatus\b", "3.7", _RETRY),
    ),
    "caddy": (Added(r"\bhealth_(?:upstream|method|request_body)\b", "2.9", _CADDY),),
    "envoy": (
        Added(
            r"\balways_eject_one_host\b",
            "1.31",
            "https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/outlier_detection.proto",
        ),
    ),
}
_KEPT_SINCE: Final = "1.29.7"
_KEEPALIVE: Final = "https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive"


def parsed(version: str) -> tuple[int, ...]:
    """Return the numbers of a version such as `3.7.15`. Raise `BadArgumentsError` if it has none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version)
    if found is None:
        raise BadArgumentsError(f"--program-version {version}: expected a version", "such as 2.6.12")
    return tuple(map(int, found[1].split(".")))


def differences(configuration: Configuration, pool: Pool, version: str) -> Iterator[Difference]:
    """Yield what differs. `version`: empty if it is not known. Raise `BadArgumentsError` if it is no version."""
    own = parsed(version) if version else None
    for each in ADDED.get(configuration.program, ()):
        if own is not None and own < parsed(each.since) and (found := _where(each, configuration)) is not None:
            place, text = found
            told = f"{configuration.program} {version} does not know `{text}`, which is there since {each.since}"
            yield Difference(place, told, each.docs)
    if configuration.program == "nginx" and pool.settings.idle_timeout_s is None:
        if own is None:
            condition = f"nginx from {_KEPT_SINCE} on"
        elif own >= parsed(_KEPT_SINCE):
            condition = f"nginx {version}, like all versions from {_KEPT_SINCE} on,"
        else:
            return
        kept = (
            "keeps idle connections to servers for 60 s unless the file says otherwise (`keepalive 32 local`, HTTP/1.1)"
        )
        yield Difference(
            None, f"{condition} {kept}; the predictions assume a new connection for each request", _KEEPALIVE
        )


def _where(added: Added, configuration: Configuration) -> tuple[Place, str] | None:
    for path, text in configuration.texts.items():
        bare = _COMMENT.sub(lambda comment: " " * len(comment[0]), text)
        if match := re.search(added.pattern, bare):
            return Place(path, text.count("\n", 0, match.start()) + 1, match.start(), match.end()), match[0]
    return None
