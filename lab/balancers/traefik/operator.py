"""Operates Traefik: its file provider watches the dynamic file (`watch: true`)."""

from __future__ import annotations

from ..operating import FileOperator


class TraefikOperator(FileOperator):
    """Writes the dynamic file."""

    files = ("traefik-dynamic.yaml",)
