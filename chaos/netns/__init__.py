"""The network helper: a short-lived process in a target's network namespace that impairs traffic.

`python -m chaos.netns run …` runs in a container with `network_mode=container:<target>` and NET_ADMIN. It ends by
itself and removes its rules. `session` keeps what is in effect; packet filters are in `firewall`. Traffic is shaped by
`shaping` (tc with htb, and netem where the kernel has sch_netem), or else by `scheduler` on an `nfqueue`, which carries
out what `packet_decision` decides.
"""
