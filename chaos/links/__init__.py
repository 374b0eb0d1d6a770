"""Network impairments, independent of the mechanism: parameters of a link fault and its effect on packets. Pure.

An effect (`impairment.Effect`) is carried out by one packet filter (`chaos/netns/firewall.py`), or by a queueing
discipline (`chaos/netns/shaping.py`) and nfqueue (`chaos/netns/packet_decision.py`), as `mechanisms` says. The relay
of local processes (`chaos/relay/effects.py`; `refuse`: `relay.py`) imitates each one that is not in `RELAY_LACKS`.
"""
