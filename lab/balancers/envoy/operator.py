"""Operates Envoy: it watches a folder into which the files of its clusters (CDS) and endpoints (EDS) are moved."""

from __future__ import annotations

from dataclasses import replace

from ..operating import FileOperator, changed
from ..requirements import Backend


class EnvoyOperator(FileOperator):
    """Moves a new EDS file for other backends, and a new CDS file for other settings."""

    files = ("eds.yaml",)

    async def reload(self) -> None:
        """Move a CDS file with another connect time-out: Envoy makes a new cluster and drains the old one."""
        self.spec = changed(self.spec)
        self.write("cds.yaml")

    async def _use(self, backends: tuple[Backend, ...]) -> None:
        self.spec = replace(self.spec, backends=backends)
        self.write("eds.yaml")
