"""The order to be slow after the next start. It is a file, because it has to survive the end of the process."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from .models import Cold


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Keeps at most one order."""

    path: Path

    def keep(self, order: Cold) -> None:
        """Keep the order for the next start. Raise OSError if it cannot be written."""
        self.path.write_text(order.model_dump_json(), encoding="utf-8")

    def discard(self) -> None:
        """Forget the order."""
        self.path.unlink(missing_ok=True)

    def take(self) -> Cold | None:
        """Return the order and forget it, or None if there is none that can be read."""
        with contextlib.suppress(OSError, ValueError):
            text = self.path.read_text(encoding="utf-8")
            self.discard()
            return Cold.model_validate_json(text)
        return None
