"""The scenario language as JSON Schema, for editors that check a file while it is being written."""

from __future__ import annotations

from typing import Any

from .schema import Scenario

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12). Rules that involve several fields are checked only by `lab validate`."""
    return {"$schema": DIALECT, **Scenario.model_json_schema()}
