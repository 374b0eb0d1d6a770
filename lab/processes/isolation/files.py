"""A mount namespace in which only one folder can be changed.

Everything else is read-only, or a copy in memory that ends with the process.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from . import kernel

COPIED: Final = ("/etc", "/home", "/root", "/run", "/tmp", "/var")
"""Folders of caches, logs, sockets and pid files. Programs may write there; nothing outside sees it."""
EMPTIED: Final = ("/dev/shm", "/run", "/tmp")
"""Private folders that start empty if the host has no overlayfs; the others are then read-only."""
_MEMORY: Final = "size=64m,mode=755"
"""Limit of memory for those copies. A run writes far less."""
_SAFE: Final = kernel.MS_NOSUID | kernel.MS_NODEV


def confine(folder: Path) -> None:
    """Make everything except `folder` read-only or private, in the process's own mount namespace. Raise `OSError`."""
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    scratch = tempfile.mkdtemp(prefix="private-", dir=folder)
    kernel.mount(str(folder), str(folder), "", kernel.MS_BIND)
    kernel.mount("tmpfs", scratch, "tmpfs", _SAFE, _MEMORY)
    kernel.make_read_only("/")
    kernel.make_writable(str(folder))
    kernel.make_writable(scratch)
    # From here on, both folders are named by descriptors, because a copy of a parent folder hides their paths.
    kept, memory = (os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (folder, scratch))
    for path in dict.fromkeys((*COPIED, *EMPTIED)):
        if Path(path).is_dir() and not Path(path).is_symlink():
            _give_private(path, Path(f"/proc/self/fd/{memory}"))
    folder.mkdir(parents=True, exist_ok=True)
    kernel.mount(f"/proc/self/fd/{kept}", str(folder), "", kernel.MS_BIND)
    os.close(kept)
    os.close(memory)


def _give_private(path: str, memory: Path) -> None:
    name = path.strip("/").replace("/", "-")
    upper, work = memory / name, memory / f"{name}-work"
    upper.mkdir()
    work.mkdir()
    os.chmod(upper, os.stat(path).st_mode & 0o7777)
    if path in COPIED:
        with suppress(OSError):
            options = f"lowerdir={path},upperdir={upper},workdir={work}"
            kernel.mount("overlay", path, "overlay", _SAFE, options)
            return
    if path in EMPTIED:
        kernel.mount(str(upper), path, "", kernel.MS_BIND)
