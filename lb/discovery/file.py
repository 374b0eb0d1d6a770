"""Backends from a YAML list in a separate file, which may be replaced at any time.

```yaml
- {id: api-1, address: 10.0.0.5:8000}
- 10.0.0.6:8000
```
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..config.discovery_settings import BackendEntry, unique
from ..config.file_reader import read_yaml
from ..errors import ConfigError
from . import DiscoveryError
from .member import Member
from .static import members

_ENTRIES = TypeAdapter(tuple[BackendEntry, ...])


class FileSource:
    """Source that reads the file again only if its modification time, size or inode has changed."""

    def __init__(self, path: Path, interval: float) -> None:
        self.interval = interval
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._members: Sequence[Member] = ()

    async def read(self) -> Sequence[Member]:
        """Return the listed backends. Raise DiscoveryError."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Sequence[Member]:
        try:
            status = self._path.stat()
        except OSError as error:
            raise DiscoveryError(f"{self._path}: {error.strerror}") from error
        # A replaced file has another inode, even if both were written within one tick of the file system's clock.
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if version != self._seen:
            self._members = parse(self._path)
            self._seen = version
        return self._members


def parse(path: Path) -> Sequence[Member]:
    """Return the backends in the file. Raise DiscoveryError with a message of one line."""
    try:
        return members(unique(_ENTRIES.validate_python(read_yaml(path))))
    except ConfigError as error:
        raise DiscoveryError("; ".join(error.problems)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DiscoveryError(f"{path.name}: {where or 'the file'}: {first['msg']}") from error
    except ValueError as error:
        raise DiscoveryError(f"{path.name}: {error}") from error
