"""Keeping a balancer that somebody else configured inside the lab, with what the kernel allows on this host."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

_ROOT: Final = str(Path(__file__).resolve().parents[3])


def python_words(statement: str) -> tuple[str, ...]:
    """The words that run this statement in a new Python, with the lab's own modules wherever the current folder is."""
    return sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {_ROOT!r}); {statement}"
