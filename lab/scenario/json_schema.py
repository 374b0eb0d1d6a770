"""The scenario language as JSON Schema, for editors that check while one types."""

from __future__ import annotations

from typing import Any

from .schema import Scenario

ADDRESS = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12. What depends on several fields at once only `lab validate` knows."""
    return {"$schema": ADDRESS, **Scenario.model_json_schema()}
