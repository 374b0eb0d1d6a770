"""Keeping a balancer that somebody else configured inside the lab, with what the kernel allows on this host."""
