"""How each fault kind looks to each kind of health check. Written by `make fault-kinds`; not to be edited.

Kind → kind of check → family of `bounds.py`, and when its bound applies. A check that is not named sees what an HTTP
check sees.
"""

# ruff: noqa: E501 - text is not broken into lines

from __future__ import annotations

from typing import Final

LOOKS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "kill": {
        "http": ("dead", "T is the worst case, a black hole (docker kill); where connections are refused it is ~0")
    },
    "pause": {
        "http": ("silent", ""),
        "tcp": (
            "harmless",
            "the kernel accepts for the backend, so a tcp check passes and dispels what requests suspect",
        ),
    },
    "restart": {"http": ("dead", "from the moment the process is gone; heal: it listens again")},
    "stop": {"http": ("dead", "from the moment the process is gone")},
    "bandwidth": {
        "http": ("late", "the answer takes longer than T; a shorter delay ejects nobody"),
        "tcp": (
            "harmless",
            "the kernel accepts for the backend, so a tcp check passes and dispels what requests suspect",
        ),
        "tls": ("late", "the handshake, several round trips, takes longer than T; a shorter delay ejects nobody"),
    },
    "corrupt": {"http": ("harmless", "TCP checksums turn it into loss, which TCP repairs")},
    "delay": {
        "http": ("late", "the answer takes longer than T; a shorter delay ejects nobody"),
        "tcp": (
            "harmless",
            "the kernel accepts for the backend, so a tcp check passes and dispels what requests suspect",
        ),
        "tls": ("late", "the handshake, several round trips, takes longer than T; a shorter delay ejects nobody"),
    },
    "duplicate": {"http": ("harmless", "TCP drops duplicates")},
    "loss": {"http": ("silent", "100 % loss; less is repaired by TCP or shows as delay")},
    "reorder": {"http": ("harmless", "TCP restores the order")},
    "blackhole": {"http": ("silent", "")},
    "disconnect": {"http": ("cut_off", "")},
    "partition": {"http": ("cut_off", "the backend is on the other side than the balancer")},
    "refuse": {"http": ("refusing", "")},
    "cpu": {
        "http": ("late", "the answer takes longer than T; a shorter delay ejects nobody"),
        "tcp": (
            "harmless",
            "the kernel accepts for the backend, so a tcp check passes and dispels what requests suspect",
        ),
        "tls": ("late", "the handshake, several round trips, takes longer than T; a shorter delay ejects nobody"),
    },
    "memory": {"http": ("dead", "the fault ends in an OOM kill; before that it is not detected")},
    "error": {
        "http": (
            "failing",
            "rate 1; every request fails on this backend and at most half elsewhere; an ejection may not exceed its share",
        ),
        "tcp": (
            "lying",
            "rate 1; every request fails on this backend and at most half elsewhere; an ejection may not exceed its share",
        ),
        "tls": (
            "lying",
            "rate 1; every request fails on this backend and at most half elsewhere; an ejection may not exceed its share",
        ),
    },
    "hang": {
        "http": ("silent", "on the health path too"),
        "tcp": (
            "harmless",
            "the kernel accepts for the backend, so a tcp check passes and dispels what requests suspect",
        ),
        "tls": ("harmless", "what ends TLS answers a tls check, whatever the application behind it does"),
    },
    "lie": {
        "http": (
            "lying",
            "every request fails on this backend and at most half elsewhere; an ejection may not exceed its share",
        )
    },
    "slow": {
        "http": ("late", "the answer takes longer than T; a shorter delay ejects nobody"),
        "tcp": (
            "harmless",
            "the kernel accepts for the backend, so a tcp check passes and dispels what requests suspect",
        ),
        "tls": ("harmless", "what ends TLS answers a tls check, whatever the application behind it does"),
    },
    "unhealthy": {
        "http": ("unhealthy", ""),
        "tcp": ("harmless", "a tcp check asks nothing"),
        "tls": ("harmless", "a tls check asks nothing"),
    },
}
