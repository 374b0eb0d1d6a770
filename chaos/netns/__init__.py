"""The network helper: a short-lived process in a target's network namespace that impairs traffic.

`python -m chaos.netns run …` runs in a container with `network_mode=container:<target>` and NET_ADMIN. It ends by
itself and removes its rules. `session` keeps the impairments in effect; `firewall` has the packet filters. Traffic is
shaped by `shaping` (tc with htb, and netem if the kernel has sch_netem), or else by `scheduler` on an `nfqueue`, which
carries out what `packet_decision` decides.
"""
