"""What runs inside a target's network namespace: a short-lived helper that impairs the traffic in scope.

`python -m chaos.netns run …` in a container with `network_mode=container:<target>` and NET_ADMIN. It ends by itself
and takes its rules along. `session` says what is in effect; packet filters are in `firewall`; what shapes traffic has
two mechanisms: `shaping` (tc: netem where the kernel has sch_netem, htb) and else `scheduler` on an `nfqueue`, which
does what `fate` decides.
"""
