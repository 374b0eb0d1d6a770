"""The published JSON Schema is the one that the code has."""

from __future__ import annotations

import json
from pathlib import Path

from lab.runtime.attached.lab_file import lab_file_schema
from lab.scenario.json_schema import json_schema

FILE = Path(__file__).resolve().parents[2] / "docs" / "scenario.schema.json"


def test_the_file_is_what_lab_schema_prints() -> None:
    assert json.loads(FILE.read_text(encoding="utf-8")) == json_schema(), "lab schema > docs/scenario.schema.json"


def test_the_schema_of_lab_files_is_current() -> None:
    file = FILE.with_name("lab.schema.json")
    assert json.loads(file.read_text(encoding="utf-8")) == lab_file_schema(), "lab schema --of-lab-file"
