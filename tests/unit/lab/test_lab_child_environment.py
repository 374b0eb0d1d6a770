from __future__ import annotations

from lab.processes.child_environment import child_environment

HOST = {
    "PATH": "/usr/bin",
    "LB_LISTEN": "0.0.0.0:80",
    "LB_PORT": "tcp://192.0.2.1:80",
    "API_LEDGER_DIR": "/elsewhere",
    "CHAOS_TOKEN": "somebody's",
    "PYTHONPATH": "/their/modules",
    "PYTHONWARNINGS": "error",
    "http_proxy": "http://192.0.2.2:3128",
    "LC_ALL": "de_DE.ISO-8859-1",
    "REROUTE_LB_PORT": "18080",
}


def test_a_child_sees_nothing_of_the_caller_but_the_short_list() -> None:
    seen = child_environment({"LB_POLICY": "random"}, HOST)
    assert seen == {
        "PATH": "/usr/bin",
        "REROUTE_LB_PORT": "18080",
        "LANG": "C.UTF-8",
        "PYTHONUTF8": "1",
        "PYTHONUNBUFFERED": "1",
        "LB_POLICY": "random",
    }


def test_what_the_caller_names_is_let_through_and_so_is_the_list_of_names() -> None:
    host = {**HOST, "LAB_PASS_ENV": "LB_PORT, API_LEDGER_DIR,,NOT_SET"}
    seen = child_environment({}, host)
    assert (seen["LB_PORT"], seen["API_LEDGER_DIR"]) == ("tcp://192.0.2.1:80", "/elsewhere")
    assert child_environment({}, seen)["LB_PORT"] == "tcp://192.0.2.1:80", "the supervisor passes it on"


def test_what_the_lab_sets_counts_more_than_what_is_let_through() -> None:
    assert child_environment({"LB_PORT": "1"}, {"LB_PORT": "2", "LAB_PASS_ENV": "LB_PORT"})["LB_PORT"] == "1"
