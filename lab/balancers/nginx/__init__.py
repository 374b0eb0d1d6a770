"""Adapter of nginx (open source)."""

from __future__ import annotations

import getpass
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from .. import programs
from ..adapter import Command, Missing, Program, Quirk, Tuning
from ..rendering import health_url, policy_or_round_robin, policy_quirks, write
from ..requirements import ProxySpec
from .own import NginxFiles

if TYPE_CHECKING:
    from ..operating import Operated, Operator

_FILE = "nginx.conf"
HERE = Path(__file__).parent
_POLICIES = {
    "round_robin": "",
    "least_requests": "least_conn",
    "p2c": "random two least_conn",
    "random": "random",
}
_DOCS = "https://nginx.org/en/docs/http"


_FAILURES = Quirk("failures", "a 5xx response counts only if it is also retried on the next server, so not here")


class Nginx:
    """Runs `nginx`, from Debian's nginx-light."""

    name = "nginx"
    own_files = NginxFiles()
    tuning = (
        Tuning(
            "one failure takes a server out (max_fails=1)",
            f"{_DOCS}/ngx_http_upstream_module.html#server",
        ),
        Tuning(
            "retry on the next server after 500, 502, 503 and 504 too",
            f"{_DOCS}/ngx_http_proxy_module.html#proxy_next_upstream",
        ),
    )

    def find(self) -> Program | Missing:
        """Return the installed `nginx`, or how to install it."""
        return programs.find("nginx", "apt-get install nginx-light")

    def version(self, program: Program) -> str:
        """Return the version number in output such as `nginx version: nginx/1.22.1`."""
        return programs.version(program, "-v")

    def render(self, spec: ProxySpec, workdir: Path) -> tuple[Path, ...]:
        """Write one configuration file. With it, nginx writes all its own files (logs, pid, buffers) to `workdir`."""
        path = write(
            HERE,
            workdir,
            _FILE,
            spec,
            policy=policy_or_round_robin(spec, _POLICIES),
            fail_timeout_s=fail_timeout_s(spec),
            # Started as root, nginx would serve as `nobody`, which has no access to a private folder.
            user=getpass.getuser() if os.geteuid() == 0 else "",
        )
        return (path,)

    def check(self, program: Program, workdir: Path) -> Command:
        """Return `nginx -t`, which parses the file and opens everything that it names."""
        return Command((*program.argv, *_arguments(workdir), "-t"))

    def command(self, program: Program, spec: ProxySpec, workdir: Path) -> Command:
        """Return the command of a master process with workers; the file has `daemon off`."""
        return Command((*program.argv, *_arguments(workdir)))

    def ready(self, spec: ProxySpec) -> tuple[str, ...]:
        """Return the health URL, because there are no checks to wait for."""
        return (health_url(spec),)

    def quirks(self, spec: ProxySpec) -> tuple[Quirk, ...]:
        """Return what nginx cannot express."""
        passive = Quirk(
            "active checks",
            "only in NGINX Plus: live requests must fail first, and a live request tests whether a server works again",
        )
        if not spec.ours:
            return (passive,)
        return (
            passive,
            Quirk(
                "interval and rise",
                f"whole seconds only: a failed server gets no requests for fail_timeout={fail_timeout_s(spec)}s",
            ),
            *([] if spec.tuned else [_FAILURES]),
            Quirk("per-try time-out", "`proxy_read_timeout` applies between two reads, so a slow stream continues"),
            Quirk("retry budget", "retries are limited per request only"),
            Quirk("hedging", "a request stays on its one server until the per-try time-out"),
            *policy_quirks(spec, _POLICIES),
        )

    def operator(self, running: Operated) -> Operator:
        """Return the operator of this program."""
        from .operator import NginxOperator

        return NginxOperator(running)


def fail_timeout_s(spec: ProxySpec) -> int:
    """Return for how many whole seconds a failed server gets no requests: as long as Reroute takes to readmit it."""
    health = spec.health
    return max(1, math.ceil(health.interval_s + (health.rise - 1) * health.fast_interval_s))


def _arguments(workdir: Path) -> tuple[str, ...]:
    # -e: without it, nginx first opens the log path that was set at compile time, and only then reads the file.
    return ("-p", str(workdir), "-c", str(workdir / _FILE), "-e", "stderr")
