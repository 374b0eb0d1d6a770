"""Upper and lower limits of all numbers in the configuration, in a file of backends and in the admin API, with reasons.

They keep a slip of the keyboard or a hostile value from costing memory, time or an overflow. None of them is a
recommendation: each one is beyond what is of use.
"""

from __future__ import annotations

from typing import Final

MOST_WEIGHT: Final = 65_536
"""Of a backend. The tables of the hash policies have that many entries: they cannot tell apart what differs by more."""
LEAST_WEIGHT: Final = 0.001
"""Above 0. Smaller ones would make the due times of `weighted` too large for the arithmetic of floats."""
MOST_BACKENDS: Final = 10_000
"""As many as have been tried. Policies and checks cost a part of a millisecond for each when the fleet changes."""
LONGEST_S: Final = 30 * 86_400.0
"""Of a duration. Nobody waits for a month; a longer one is a mistake, or overflows the timers of the event loop."""
SHORTEST_S: Final = 0.001
"""Of a duration that must not be 0. Timers of the event loop have this resolution (epoll_wait(2)): a shorter wait is
none, and what repeats after it takes a whole core. A `tick` of 1 ms takes 4 % of one."""
SHORTEST_INTERVAL_S: Final = 0.01
"""Between two checks of a backend, and two readings of discovery. A check costs some 0.6 ms of CPU (measured), so those
of one backend take at most 6 % of a core."""
LONGEST_HOLD_S: Final = 86_400.0
"""Of `discovery.hold`: a backend that discovery has not named for a day is not missing by mistake."""
LONGEST_TICK_S: Final = 1.0
"""Time-outs, hedges and ends of ejections come up to a tick late: at most by the length of a per-try time-out."""
LONGEST_COOKIE_S: Final = 400 * 86_400.0
"""Of the sticky cookie: browsers keep none for longer (RFC 6265bis §5.5)."""
MOST_COUNT: Final = 1_000_000
"""Of connections, requests, checks, retries a second. Linux lets a process have 1,048,576 sockets (`fs.nr_open`)."""
MOST_BYTES: Final = 16 << 40
"""Of a request body, 16 TiB: as large as a file of ext4 can be."""
MOST_HEAD_BYTES: Final = 1 << 20
"""Of a message head, which is in memory as a whole, on both sides of each request."""
MOST_FIELDS: Final = 10_000
"""Header fields: each is an object of some 200 bytes, however short it is."""
MOST_BUFFERED_BYTES: Final = 64 << 20
"""Of a body, in memory, on each side of each request."""
MOST_ATTEMPTS: Final = 20
"""Of one request. All of them are named in `X-Tried`, by ids of up to 128 characters: 2.5 KiB of a head."""
MOST_OUTCOMES: Final = 10_000
"""Outcomes of requests that are remembered for each backend."""
MOST_NETWORKS: Final = 1000
"""In a list of networks; each address is compared with all of them, at 0.1 µs each."""
MOST_SECRETS: Final = 16
"""Of the sticky cookie; each cookie is verified with all of them, at 2 µs each."""
MOST_FILES: Final = 1000
"""Certificates."""
MOST_PROBE_FIELDS: Final = 100
"""Header fields of a check, as in a request by default."""
MOST_PROBE_TEXT: Final = 64 * 1024
"""Characters that a check looks for: of an answer's body no more than 64 KiB are read."""
