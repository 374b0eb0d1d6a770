"""Operates Caddy: its admin API loads a whole configuration (`POST /load`, which `caddy reload` uses too)."""

from __future__ import annotations

import aiohttp

from ...errors import EnvironmentProblemError
from ..operating import FileOperator

_WITHIN = aiohttp.ClientTimeout(total=10.0)


class CaddyOperator(FileOperator):
    """Writes the Caddyfile and posts it."""

    files = ("Caddyfile",)

    async def activate(self) -> None:
        """Post the Caddyfile to the admin API. `must-revalidate` loads it even if nothing has changed."""
        url = f"http://{self.spec.admin}/load"
        headers = {"Content-Type": "text/caddyfile", "Cache-Control": "must-revalidate"}
        body = (self.running.workdir / "Caddyfile").read_bytes()
        try:
            async with (
                aiohttp.ClientSession(timeout=_WITHIN) as session,
                session.post(url, data=body, headers=headers) as answer,
            ):
                said = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EnvironmentProblemError(f"POST {url}: {error or type(error).__name__}") from error
        if answer.status != 200:
            raise EnvironmentProblemError(f"POST {url} was answered with {answer.status}: {said[:300]}")
