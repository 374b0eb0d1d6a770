"""What of a process's sockets leaves the lab, read from tables as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.processes.isolation.sockets import Offence, Socket, blame, offences, sockets_of

BACKENDS = {"127.0.0.1:9001"}
LISTENER = Socket("127.0.0.1:8080", "0.0.0.0:0", True)
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
V6_ANY, V6_MAPPED = "0" * 32, "0" * 16 + "FFFF0000" + "0100007F"


def line(local: str, remote: str, state: str, inode: int) -> str:
    return f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1\n"


def test_the_tables_are_read_for_the_process_and_its_children_only(tmp_path: Path) -> None:
    for pid, parent, inode in ((10, 1, 100), (11, 10, 101), (12, 1, 102)):
        (tmp_path / str(pid) / "fd").mkdir(parents=True)
        (tmp_path / str(pid) / "fd" / "3").symlink_to(f"socket:[{inode}]")
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a b) S {parent} 0")
    net = tmp_path / "10" / "net"
    net.mkdir()
    (net / "tcp").write_text(
        HEAD
        + line("0100007F:1F90", "00000000:0000", "0A", 100)
        + line("0100007F:C000", "0100007F:2329", "01", 101)
        + line("00000000:0050", "00000000:0000", "0A", 102)
        + line("0100007F:C001", "0100007F:2329", "06", 101)
    )
    (net / "tcp6").write_text(
        HEAD
        + line(f"{V6_ANY}:0050", f"{V6_ANY}:0000", "0A", 101)
        + line(f"{V6_MAPPED}:C002", f"{V6_MAPPED}:1F90", "02", 100)
    )
    assert sockets_of(10, tmp_path) == [
        LISTENER,
        Socket("127.0.0.1:49152", "127.0.0.1:9001", False),
        Socket(":::80", ":::0", True),
        Socket("127.0.0.1:49154", "127.0.0.1:8080", False),
    ]


@pytest.mark.parametrize("listening", ["0.0.0.0:8404", ":::8404", "192.0.2.1:8404"])
def test_listening_beyond_loopback_is_an_offence(listening: str) -> None:
    assert [each.address for each in offences([LISTENER, Socket(listening, "0.0.0.0:0", True)], BACKENDS)] == [
        listening
    ]


def test_only_the_labs_backends_and_itself_may_be_connected_to() -> None:
    found = [
        LISTENER,
        Socket("127.0.0.1:8080", "127.0.0.1:50000", False),
        Socket("127.0.0.1:50001", "127.0.0.1:9001", False),
        Socket("127.0.0.1:50002", "127.0.0.1:8080", False),
        Socket("127.0.0.1:50003", "127.0.0.1:5432", False),
        Socket("192.0.2.1:50004", "192.0.2.9:80", False),
    ]
    assert [each.address for each in offences(found, BACKENDS)] == ["127.0.0.1:5432", "192.0.2.9:80"]


def test_the_line_that_names_the_address_or_the_port_is_to_blame(tmp_path: Path) -> None:
    file = tmp_path / "h.cfg"
    file.write_bytes(b"# 192.0.2.9:80 f\xfcr\nbind *:8404\nserver a 192.0.2.9:80\nserver b 192.0.2.9:8080\n")
    assert blame(Offence("", "0.0.0.0:8404"), [file]) == f"{file}:2: "
    assert blame(Offence("", "192.0.2.9:80"), [file]) == f"{file}:3: "
    assert blame(Offence("", "192.0.2.7:99"), [file]) == ""
