"""How each fault kind looks to each kind of health check. Written by `make fault-kinds`; not to be edited.

Kind of fault → kind of check → (family of `bounds.py`, condition under which the family's bound applies). A kind of
check that is not named sees what an HTTP check sees.
"""

# ruff: noqa: E501 - text is not broken into lines

from __future__ import annotations

from typing import Final

LOOKS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "cold_start": {
        "http": ("dead", "from the end of the process; late responses that pass the check eject no backend")
    },
    "kill": {"http": ("dead", "T is the worst case, dropped packets (docker kill); with refused connections it is ~0")},
    "pause": {
        "http": ("silent", ""),
        "tcp": ("harmless", "the kernel accepts the connection, so a tcp check passes and clears any suspicion"),
    },
    "restart": {"http": ("dead", "from the end of the process; the fault ends when it listens again")},
    "stop": {"http": ("dead", "from the end of the process")},
    "bandwidth": {
        "http": ("late", "the response takes longer than T; a shorter delay ejects no backend"),
        "tcp": ("harmless", "the kernel accepts the connection, so a tcp check passes and clears any suspicion"),
        "tls": ("late", "the handshake, several round trips, takes longer than T; a shorter delay ejects no backend"),
    },
    "corrupt": {"http": ("harmless", "TCP checksums turn it into loss, which TCP repairs")},
    "delay": {
        "http": ("late", "the response takes longer than T; a shorter delay ejects no backend"),
        "tcp": ("harmless", "the kernel accepts the connection, so a tcp check passes and clears any suspicion"),
        "tls": ("late", "the handshake, several round trips, takes longer than T; a shorter delay ejects no backend"),
    },
    "duplicate": {"http": ("harmless", "TCP drops duplicates")},
    "loss": {"http": ("silent", "100 % loss; less is repaired by TCP or shows as delay")},
    "reorder": {"http": ("harmless", "TCP restores the order")},
    "blackhole": {"http": ("silent", "")},
    "disconnect": {"http": ("cut_off", "")},
    "partition": {"http": ("cut_off", "the backend and the balancer are on different sides")},
    "refuse": {"http": ("refusing", "share 100 %")},
    "cpu": {
        "http": ("late", "the response takes longer than T; a shorter delay ejects no backend"),
        "tcp": ("harmless", "the kernel accepts the connection, so a tcp check passes and clears any suspicion"),
        "tls": ("late", "the handshake, several round trips, takes longer than T; a shorter delay ejects no backend"),
    },
    "memory": {"http": ("dead", "from the OOM kill; before that it is not detected")},
    "error": {
        "http": (
            "failing",
            "rate 1; every request fails on this backend and at most half elsewhere; `max_ejected_share` allows the ejection",
        ),
        "tcp": (
            "lying",
            "rate 1; every request fails on this backend and at most half elsewhere; `max_ejected_share` allows the ejection",
        ),
        "tls": (
            "lying",
            "rate 1; every request fails on this backend and at most half elsewhere; `max_ejected_share` allows the ejection",
        ),
    },
    "hang": {
        "http": ("silent", "health checks hang too"),
        "tcp": ("harmless", "the kernel accepts the connection, so a tcp check passes and clears any suspicion"),
        "tls": ("harmless", "the TLS handshake succeeds whatever the application behind it does"),
    },
    "lie": {
        "http": (
            "lying",
            "every request fails on this backend and at most half elsewhere; `max_ejected_share` allows the ejection",
        )
    },
    "slow": {
        "http": ("late", "the response takes longer than T; a shorter delay ejects no backend"),
        "tcp": ("harmless", "the kernel accepts the connection, so a tcp check passes and clears any suspicion"),
        "tls": ("harmless", "the TLS handshake succeeds whatever the application behind it does"),
    },
    "unhealthy": {
        "http": ("unhealthy", ""),
        "tcp": ("harmless", "a tcp check sends no request"),
        "tls": ("harmless", "a tls check sends no request"),
    },
}
