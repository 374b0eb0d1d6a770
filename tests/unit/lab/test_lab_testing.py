"""What the pytest plugin says when it cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import EnvironmentProblemError
from lab.testing.lab import run_folder


def test_results_that_cannot_be_stored_name_the_option(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(EnvironmentProblemError, match="Not a directory; choose another folder with --lab-results"):
        run_folder(tmp_path / "results", "kill")
