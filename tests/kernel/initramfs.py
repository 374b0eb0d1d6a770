"""Packs an initramfs (cpio newc, gzip) for `scripts/test-kernel`: this Python, tc, ip, iptables, modules, our code.

`python initramfs.py KERNEL_FOLDER IMAGE`. Programs bring the libraries that ldd names.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = (
    "veth", "sch_htb", "sch_netem", "cls_u32", "nfnetlink_queue", "xt_NFQUEUE", "xt_mark", "xt_tcpudp",
    "iptable_filter", "ip6table_filter", "ipt_REJECT", "ip6t_REJECT",
)  # fmt: skip
PROGRAMS = ("tc", "ip", "iptables-legacy", "ip6tables-legacy")
TABLES = ("usr/lib/tc/*.dist", "usr/lib/*/tc/*.dist", "usr/share/tc/*.dist")
"""tc's distributions, wherever the distribution puts them."""
NOT_NEEDED = re.compile(
    r"(^|/)(test|tests|site-packages|dist-packages|__pycache__|idlelib|tkinter|ensurepip|lib2to3)(/|$)|\.a$"
)
BINARIES = "/usr/sbin:/sbin:/usr/bin:/bin"
FOLDERS = ("proc", "sys", "dev", "run", "tmp", "etc", "var/run/netns", "run/netns")


def libraries(binary: Path) -> Iterator[Path]:
    """What the loader would load for it, itself included."""
    listed = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
    yield from (Path(each) for each in re.findall(r"(/\S+)(?= \(0x)", listed))


def modules(folder: Path) -> list[Path]:
    """The modules and what they depend on, in the order in which they can be loaded."""
    base = next((folder / "lib/modules").iterdir())
    paths = {each.name.split(".ko")[0].replace("-", "_"): each for each in base.rglob("*.ko*")}
    found: list[Path] = []

    def add(name: str) -> None:
        path = paths.get(name.replace("-", "_"))
        if path is None or path in found:
            return  # built in, or packed already
        said = re.search(rb"\0?depends=([^\0]*)\0", path.read_bytes())
        for needed in filter(None, (said[1].decode() if said else "").split(",")):
            add(needed)
        found.append(path)

    for name in MODULES:
        add(name)
    return found


def programs() -> dict[str, Path | bytes]:
    """The tools of the network, with what they load: libraries, extensions of iptables, tables of tc."""
    packed: dict[str, Path | bytes] = {}
    for name in PROGRAMS:
        found = shutil.which(name, path=BINARIES)
        if found is None:
            raise SystemExit(f"{name} is not installed: the package is iproute2 or iptables")
        packed[f"/usr/sbin/{name}"] = Path(found)
        packed |= {str(each): each for each in libraries(Path(found))}
    for extension in Path("/").glob("usr/lib/*/xtables/lib*.so"):
        packed |= {str(each): each for each in (extension, *libraries(extension))}
    return packed | {str(table): table for where in TABLES for table in Path("/").glob(where)}


def files(kernel: Path) -> dict[str, Path | bytes]:
    """Path in the guest → a file of ours, or its content."""
    packed = programs()
    python, stdlib = Path(os.path.realpath(sys.executable)), Path(sysconfig.get_path("stdlib"))
    for binary in (python, *stdlib.rglob("lib-dynload/*.so")):
        packed |= {str(each): each for each in libraries(binary)}
    packed[str(python)] = python
    for source in stdlib.rglob("*"):
        if source.is_file() and not NOT_NEEDED.search(str(source.relative_to(stdlib))):
            packed[str(source)] = source
    for source in (ROOT / "chaos").rglob("*.py"):
        packed[f"/app/{source.relative_to(ROOT)}"] = source
    loaded = modules(kernel)
    for number, module in enumerate(loaded):
        packed[f"/modules/{number:02}-{module.name}"] = module
    guest = (ROOT / "tests/kernel/guest.py").read_text()
    packed["/init"] = f"#!{python} -S\n{guest}".encode()
    return packed


def entry(name: str, mode: int, data: bytes, number: int) -> bytes:
    """One cpio entry (newc: Linux' Documentation/driver-api/early-userspace/buffer-format.rst)."""
    path = name.strip("/").encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(head + path) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def write(kernel: Path, image: Path) -> None:
    """Folders first, then files."""
    packed = files(kernel)
    folders = {parent for name in (*packed, *(f"/{each}/x" for each in FOLDERS)) for parent in Path(name).parents}
    with gzip.open(image, "wb", compresslevel=1) as out:
        names = sorted(str(folder) for folder in folders if str(folder) != "/")
        for number, name in enumerate(names, start=1):
            out.write(entry(name, stat.S_IFDIR | 0o755, b"", number))
        for number, (name, content) in enumerate(packed.items(), start=len(names) + 1):
            data = content if isinstance(content, bytes) else content.read_bytes()
            out.write(entry(name, stat.S_IFREG | 0o755, data, number))
        out.write(entry("TRAILER!!!", 0, b"", 0))


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
