"""Linux system calls that Python lacks (or has only since 3.12). All raise `OSError`, on other systems too."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
"""Values from linux/sched.h."""
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
"""Values from linux/mount.h."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
"""Values from linux/prctl.h."""
_SYS_MOUNT_SETATTR: Final = 442
"""The system call's number on every architecture (Linux 5.12)."""
_MOUNT_ATTR_RDONLY: Final = 0x1
_AT_RECURSIVE: Final = 0x8000
_AT_FDCWD: Final = -100
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def unshare(flags: int) -> None:
    """Move this process to new namespaces. A new process namespace applies to its future children only."""
    _call("unshare", flags)


def own_user_namespace(flags: int) -> None:
    """Do the same as `unshare` without privileges: in a new user namespace in which user and group keep their ids."""
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | flags)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Call mount(2)."""
    _call("mount", source.encode(), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode())


def make_read_only(path: str) -> None:
    """Make `path` and all mounts below it read-only."""
    _mount_attributes(path, _AT_RECURSIVE, to_set=_MOUNT_ATTR_RDONLY)


def make_writable(path: str) -> None:
    """Make the mount at `path` writable, but not those below it."""
    _mount_attributes(path, 0, to_clear=_MOUNT_ATTR_RDONLY)


def _mount_attributes(path: str, flags: int, *, to_set: int = 0, to_clear: int = 0) -> None:
    attributes = struct.pack("QQQQ", to_set, to_clear, 0, 0)  # struct mount_attr
    _call(
        "syscall", ctypes.c_long(_SYS_MOUNT_SETATTR), _AT_FDCWD, os.fsencode(path), flags, attributes,
        ctypes.c_size_t(len(attributes)),
    )  # fmt: skip


def die_with_parent(number: int) -> None:
    """Let the kernel send this signal when the parent ends."""
    _call("prctl", _PR_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def no_new_privileges() -> None:
    """Prevent programs started from here from gaining privileges by set-uid bits or file capabilities."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def loopback_up() -> None:
    """Turn the loopback interface on, which is off in a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def _call(name: str, *arguments: object) -> None:
    if _libc is None:
        raise OSError(errno.ENOSYS, f"{name} exists on Linux only")
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
