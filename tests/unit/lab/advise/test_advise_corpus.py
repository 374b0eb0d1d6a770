"""Every pool of the corpus of realistic files gets advice that does not contradict itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.advise.advice import advise
from lab.advise.formats import as_json, markdown, sarif
from lab.advise.prediction import Fault, Situation
from lab.balancers import adapter

CORPUS = Path(__file__).parents[3] / "corpus"
MAIN = {"haproxy": "haproxy/*.cfg", "nginx": "nginx/*/nginx.conf", "envoy": "envoy/*/envoy.*"}


@pytest.mark.parametrize("program", list(MAIN))
def test_advice_about_realistic_files(program: str) -> None:
    own, seen = adapter(program).own_files, 0
    assert own is not None
    for file in sorted(CORPUS.glob(MAIN[program])):
        configuration = own.read([file])
        for pool in configuration.pools:
            advice = advise(configuration, pool, Situation(max(1, len(pool.servers))))
            assert [each.fault for each in advice.predictions] == list(Fault)
            for each in advice.predictions:
                for estimate in (each.notice, each.visible, each.back):
                    if estimate.worst is not None and estimate.expected is not None:
                        assert estimate.expected.seconds <= estimate.worst.seconds + 1e-9, (file, each.fault)
            assert len([one for one in advice.findings if one.rule == "unknown-directive"]) == len(
                configuration.unknown
            )
            json.dumps([as_json(advice), sarif(advice)])
            assert markdown(advice).startswith(f"## {program}: ")
            seen += 1
    assert seen >= 5
