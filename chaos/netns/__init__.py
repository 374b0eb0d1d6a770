"""What runs inside a target's network namespace: a short-lived helper that impairs the service port's traffic.

`python -m chaos.netns run …` in a container with `network_mode=container:<target>` and NET_ADMIN. It ends by itself
and takes its rules along (`firewall`). Delay and loss have two mechanisms: `netem` where the kernel has sch_netem, and
else `nfqueue`, a userspace scheduler on a netlink socket.
"""
