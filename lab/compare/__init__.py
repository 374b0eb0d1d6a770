"""The league: the same faults against several balancers, interleaved, judged by what clients saw."""
