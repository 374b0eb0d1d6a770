"""Upper and lower limits of all numbers in the configuration, in a file of backends and in the admin API.

They prevent a typing error or a malicious value from costing memory or time, or causing an overflow. They are not
recommendations: each limit is beyond any useful value.
"""

from __future__ import annotations

from typing import Final

MOST_WEIGHT: Final = 65_536
"""Highest weight of a backend. The tables of the hash policies have this many entries, so greater weights would have no
effect."""
LEAST_WEIGHT: Final = 0.001
"""Lowest weight above 0. A smaller one would make the due times of `weighted` too large for floating point numbers."""
MOST_BACKENDS: Final = 10_000
"""Highest number of backends, the highest that is tested. At each change of the set, policies and checks need part of a
millisecond per backend."""
LONGEST_S: Final = 30 * 86_400.0
"""Longest duration, a month. A longer one is a mistake, or overflows the timers of the event loop."""
SHORTEST_S: Final = 0.001
"""Shortest duration above 0: the resolution of the event loop's timers (epoll_wait(2)). Work that repeats after a
shorter wait would use a whole core. A `tick` of 1 ms uses 4 % of a core."""
SHORTEST_INTERVAL_S: Final = 0.01
"""Shortest interval of checks and of discovery. A check needs about 0.6 ms of CPU (measured), so the checks of one
backend use at most 6 % of a core."""
LONGEST_HOLD_S: Final = 86_400.0
"""Longest `discovery.hold`. A backend that discovery has not named for a day is not missing by mistake."""
LONGEST_TICK_S: Final = 1.0
"""Longest tick. Time-outs, hedges and ends of ejections are late by up to a tick."""
LONGEST_COOKIE_S: Final = 400 * 86_400.0
"""Longest lifetime of the sticky cookie. Browsers keep no cookie longer (RFC 6265bis §5.5)."""
MOST_COUNT: Final = 1_000_000
"""Highest number of connections, requests, checks, and retries per second. On Linux a process can have 1,048,576
sockets (`fs.nr_open`)."""
MOST_BYTES: Final = 16 << 40
"""Longest request body: 16 TiB, the largest file on ext4."""
MOST_HEAD_BYTES: Final = 1 << 20
"""Longest message head. A head is completely in memory, once for the client and once for the backend."""
MOST_FIELDS: Final = 10_000
"""Highest number of header fields. Each is an object of about 200 bytes, even if it is short."""
MOST_BUFFERED_BYTES: Final = 64 << 20
"""Maximum number of bytes of a body in memory, for each side of each request."""
MOST_ATTEMPTS: Final = 20
"""Maximum number of attempts of one request. `X-Tried` names all of them by ids of up to 128 characters, that is up to
2.5 KiB."""
MOST_OUTCOMES: Final = 10_000
"""Maximum number of outcomes of requests that are kept for each backend."""
MOST_NETWORKS: Final = 1000
"""Maximum number of networks in a list. Each address is compared with all of them, which takes 0.1 µs per network."""
MOST_SECRETS: Final = 16
"""Maximum number of secrets of the sticky cookie. Each cookie is verified with all of them, which takes 2 µs per
secret."""
MOST_FILES: Final = 1000
"""Maximum number of certificates."""
MOST_PROBE_FIELDS: Final = 100
"""Maximum number of header fields of a check, the same number as of a request by default."""
MOST_PROBE_TEXT: Final = 64 * 1024
"""Longest text that a check can search for, because a check reads at most 64 KiB of the response body."""
