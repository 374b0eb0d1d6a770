"""Somebody's own configuration: addresses filled in, and nothing of production left in place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.balancers import adapter
from lab.balancers.adapter import OwnFiles, Program
from lab.balancers.own_confinement import refuse_strangers
from lab.balancers.own_files import adopt, layout, read
from lab.balancers.selection import Choice, Wanted, prepare
from lab.balancers.substitution import Substitution, fill
from lab.compare import entries
from lab.compare.document import Comparison
from lab.errors import BadArgumentsError

WANTED = Wanted("127.0.0.1:8080", "127.0.0.1:8081", {"api-1": "127.0.0.1:9001", "api-2": "127.0.0.1:9002"})


def own(program: str) -> OwnFiles:
    files = adapter(program).own_files
    assert files is not None
    return files


def values(folder: Path) -> dict[str, str]:
    return WANTED.placeholders(folder)


def texts(*names: str | Path) -> dict[Path, str]:
    return {path: read(path) for path in map(Path, names)}


def test_placeholders_give_whole_addresses_and_their_parts(tmp_path: Path) -> None:
    text = "@LISTEN@ @LISTEN_PORT@ @BACKEND_2@ @BACKEND_2_HOST@ @BACKENDS@ @DIR@"
    filled = fill(text, values(tmp_path), "f")
    assert filled == f"127.0.0.1:8080 8080 127.0.0.1:9002 127.0.0.1 127.0.0.1:9001,127.0.0.1:9002 {tmp_path}"


def test_an_unknown_placeholder_names_file_line_and_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError, match=r"prod.cfg:2: @BACKEND_9@ is not a placeholder") as error:
        fill("a\n@BACKEND_9@", values(tmp_path), "prod.cfg")
    assert "@BACKEND_2@" in error.value.next_step


def test_only_the_whole_address_is_replaced(tmp_path: Path) -> None:
    text = "server a 10.0.0.5:80\nserver b 10.0.0.5:8080\nserver c 110.0.0.5:80"
    filled = Substitution([("10.0.0.5:80", "BACKEND_1")]).apply(text, values(tmp_path), "f")
    assert filled == "server a 127.0.0.1:9001\nserver b 10.0.0.5:8080\nserver c 110.0.0.5:80"


def test_an_address_that_no_file_holds_is_an_error_that_shows_the_longer_word(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text("bind *:80\nserver a 10.0.0.5:80\n")
    with pytest.raises(BadArgumentsError, match=r"'10\.0\.0\.6:80' does not occur"):
        entries.from_files([str(file)], ["10.0.0.6:80=BACKEND_1"])
    with pytest.raises(BadArgumentsError, match=r"':80' does not occur .* at haproxy\.cfg:1: \*:80"):
        entries.from_files([str(file)], [":80=LISTEN"])


def test_a_replacement_may_belong_to_another_entry(tmp_path: Path) -> None:
    one, two = tmp_path / "haproxy.cfg", tmp_path / "nginx.conf"
    one.write_text("bind 127.0.0.1:80")
    two.write_text("listen 127.0.0.1:8443;")
    found = entries.from_files([str(one), str(two)], ["127.0.0.1:80=LISTEN", "127.0.0.1:8443=LISTEN"])
    assert [each.choice.name for each in found] == ["haproxy (haproxy.cfg)", "nginx (nginx.conf)"]


def test_two_files_of_one_program_are_two_rows() -> None:
    files = [("haproxy", Path("/a/old.cfg")), ("haproxy", Path("/a/new.cfg"))]
    assert entries.distinct_titles(files) == ["haproxy (old.cfg)", "haproxy (new.cfg)"]
    files = [("haproxy", Path("/a/h.cfg")), ("haproxy", Path("/b/h.cfg")), ("haproxy", Path("/a/h.cfg"))]
    assert entries.distinct_titles(files) == ["haproxy (a/h.cfg)", "haproxy (b/h.cfg)", "haproxy (a/h.cfg #2)"]


def test_nothing_that_was_filled_in_is_replaced_again(tmp_path: Path) -> None:
    pairs = [("10000", "LISTEN_PORT"), ("8080", "BACKEND_1_PORT"), ("9001", "ADMIN_PORT")]
    filled = Substitution(pairs).apply("10000 8080 18080 9001 @LISTEN_PORT@", values(tmp_path), "f")
    assert filled == "8080 9001 18080 8081 8080"


@pytest.mark.parametrize(
    "text",
    [
        "{address: app1, port_value: 8000} {address: app2, port_value: 8000}",
        "port_value: 8000\n  address: app1\n-\n  port_value: 8000\n  address: 'app2'",
        '{"address": "app1", "port_value": 8000}, {"address": "app2", "port_value": 8000}',
    ],
)
def test_backends_on_one_port_number_are_told_apart_where_host_and_port_are_two_fields(
    text: str, tmp_path: Path
) -> None:
    pairs = [("app1:8000", "BACKEND_1"), ("app2:8000", "BACKEND_2")]
    filled = Substitution(pairs).apply(text, values(tmp_path), "f")
    for old, port in (("app1", "9001"), ("app2", "9002")):
        text = text.replace(old, "127.0.0.1").replace("8000", port, 1)
    assert filled == text


def test_included_files_keep_their_place_and_equal_names_stay_apart() -> None:
    main = Path("/etc/nginx/nginx.conf")
    files = [main, main.parent / "conf.d/a.conf", Path("/srv/one/x.conf"), Path("/srv/two/x.conf")]
    assert [str(each) for each in layout(files).values()] == ["nginx.conf", "conf.d/a.conf", "one/x.conf", "two/x.conf"]


def test_dir_and_a_name_mean_the_one_file_of_that_name(tmp_path: Path) -> None:
    source, folder = tmp_path / "a", tmp_path / "b"
    (source / "up").mkdir(parents=True)
    (source / "nginx.conf").write_text("include @DIR@/up.conf; listen 127.0.0.1:9001; # 9002")
    (source / "up" / "up.conf").write_text("")
    names = [str(source / "nginx.conf"), str(source / "up" / "up.conf")]
    assert (
        f"include {folder}/up/up.conf;" in adopt(own("nginx"), texts(*names), [], values(folder), folder)[0].read_text()
    )
    (source / "up.conf.d").mkdir()
    (source / "up.conf.d" / "up.conf").write_text("")
    with pytest.raises(BadArgumentsError, match=r"nginx.conf:1: @DIR@/up.conf could be @DIR@/up/up.conf or "):
        adopt(own("nginx"), texts(*names, str(source / "up.conf.d" / "up.conf")), [], values(folder), folder)


def test_bytes_that_are_no_utf_8_stay_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_bytes(b"# f\xfcr 9002\r\nserver a 10.0.0.5:80\r\n")
    copied = adopt(own("haproxy"), texts(file), [("10.0.0.5:80", "BACKEND_1")], values(tmp_path), tmp_path / "copy")
    assert copied[0].read_bytes() == b"# f\xfcr 9002\r\nserver a 127.0.0.1:9001\r\n"


def test_haproxy_gets_each_of_its_files_in_order_and_no_error_page(tmp_path: Path) -> None:
    (tmp_path / "0.cfg").write_text("global\n")
    (tmp_path / "more").write_text("listen a\n")
    (tmp_path / "503.http").write_text("HTTP/1.0 503 No\n")
    check, command = own("haproxy").commands(
        Program(("haproxy",)), [tmp_path / n for n in ("0.cfg", "more", "503.http")]
    )
    wanted = ("-f", f"{tmp_path}/0.cfg", "-f", f"{tmp_path}/more")
    assert check is not None
    assert check.argv[-4:] == wanted
    assert command.argv[-4:] == wanted


@pytest.mark.parametrize(
    ("program", "text", "line"),
    [
        ("haproxy", "backend b\n server a 127.0.0.1:9001 check\n server d 10.0.0.8:80 check\n", 3),
        ("haproxy", "server-template w 3 web.internal:80", 1),
        ("nginx", "upstream u {\n server 127.0.0.1:9001;\n server 10.0.0.8 max_fails=1;\n}", 3),
        ("nginx", "# 127.0.0.1:9001\nlocation / { proxy_pass https://www.example.test/x; }", 2),
        ("envoy", "#9001\nendpoint: {address: {socket_address: {address: web4, port_value: 80}}}", 2),
        ("traefik", "- url: http://127.0.0.1:9001\n- url: 'http://10.0.0.8:80'", 2),
        ("caddy", ":80 {\n reverse_proxy 127.0.0.1:9001 10.0.0.8:80\n}", 2),
        ("caddy", '{"9001": 1,\n"dial": "10.0.0.8:80"}', 2),
    ],
)
def test_a_file_that_forwards_to_somebody_else_is_refused_by_its_line(
    program: str, text: str, line: int, tmp_path: Path
) -> None:
    with pytest.raises(BadArgumentsError, match=rf":{line}: .* is not an address of the lab"):
        refuse_strangers(own(program), {"f": text}, values(tmp_path))


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("haproxy", "# server x 10.0.0.8:80\nlog 10.0.0.9:514 local0\nserver a 127.0.0.1:9001\nserver b /run/x.sock"),
        ("nginx", "upstream u { server 127.0.0.1:9001; }\nserver { server_name a.example.test; location / {"
                  " proxy_pass http://u; } }\nset_real_ip_from 10.0.0.0/8;"),
        ("envoy", "address:\n  socket_address: {address: 0.0.0.0, port_value: 9901}\naddress: 127.0.0.1"),
        ("traefik", "web:\n  address: ':80'\n- url: http://127.0.0.1:9001"),
        ("caddy", "a.example.test {\n reverse_proxy {\n  to 127.0.0.1:9001 127.0.0.1:9002\n }\n}"),
    ],
)  # fmt: skip
def test_what_is_no_forwarding_is_not_refused(program: str, text: str, tmp_path: Path) -> None:
    refuse_strangers(own(program), {"f": text}, values(tmp_path))


def test_what_a_file_would_write_elsewhere_goes_to_the_folder(tmp_path: Path) -> None:
    text = "stats socket /run/haproxy/admin.sock mode 660\npidfile /run/h.pid\n"
    kept = f"stats socket {tmp_path}/run-haproxy-admin.sock mode 660\npidfile {tmp_path}/run-h.pid\n"
    assert own("haproxy").keep_inside(text, values(tmp_path), main=True) == kept
    text = "daemon on; pid /run/nginx.pid;\naccess_log /dev/stdout;\nerror_log /var/log/e.log warn;"
    kept = (
        f"daemon off; pid {tmp_path}/run-nginx.pid;\naccess_log /dev/stdout;\nerror_log {tmp_path}/var-log-e.log warn;"
    )
    assert own("nginx").keep_inside(text, values(tmp_path), main=True) == kept


@pytest.mark.parametrize(
    "text",
    [":80 {\n}\n", "# hi\n{\n\tauto_https disable_redirects\n\tadmin 0.0.0.0:2019 {\n\t}\n\tdebug\n}\n:80 {\n}\n"],
)
def test_caddy_makes_no_certificates_and_installs_none(text: str, tmp_path: Path) -> None:
    kept = own("caddy").keep_inside(text, values(tmp_path), main=True)
    options = [line.split() for line in kept.partition("\n}")[0].splitlines()]
    for wanted in (["skip_install_trust"], ["http_port", "8080"], ["auto_https", "off"], ["admin", "off"]):
        assert options.count(wanted) == 1
    assert "disable_redirects" not in kept
    assert "2019" not in kept
    assert ("debug" in kept) == ("debug" in text)
    assert kept.endswith(":80 {\n}\n")


def test_caddys_json_is_kept_from_certificates_too(tmp_path: Path) -> None:
    text = '{"apps": {"http": {"servers": {"s": {"listen": [":80"]}}}}}'
    kept = json.loads(own("caddy").keep_inside(text, values(tmp_path), main=True))
    assert kept["apps"]["http"]["servers"]["s"] == {"listen": [":80"], "automatic_https": {"disable": True}}
    assert kept["apps"]["pki"]["certificate_authorities"]["local"]["install_trust"] is False
    assert kept["admin"] == {"disabled": True}


def test_several_files_are_copied_and_each_gets_its_addresses(tmp_path: Path) -> None:
    main, other = tmp_path / "main.yaml", tmp_path / "dynamic.yaml"
    main.write_text("file: @DIR@/dynamic.yaml\nlisten: :80\n")
    other.write_text("url: http://10.0.0.5:80\nurl: @BACKEND_2@\n")
    folder = tmp_path / "copy"
    folder.mkdir()
    pairs = [(":80", "LISTEN"), ("http://10.0.0.5:80", "BACKEND_1")]
    adopted = adopt(own("traefik"), texts(main, other), pairs, values(folder), folder)
    assert adopted[0].read_text() == f"file: {folder}/dynamic.yaml\nlisten: 127.0.0.1:8080\n"
    assert (folder / "dynamic.yaml").read_text() == "url: 127.0.0.1:9001\nurl: 127.0.0.1:9002\n"


def test_a_file_without_any_backend_of_the_lab_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text("frontend f")
    with pytest.raises(BadArgumentsError, match="does not name BACKEND_1, BACKEND_2 of the lab"):
        adopt(own("haproxy"), texts(file), [], values(tmp_path), tmp_path)


def test_nginx_is_kept_in_the_foreground_unless_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    file = tmp_path / "nginx.conf"
    file.write_text("events {}\n")
    _, command = own("nginx").commands(Program(("nginx",)), [file])
    assert command.argv[-2:] == ("-g", "daemon off; pid nginx.pid;")
    file.write_text("daemon off; pid x.pid;\nevents {}\n")
    _, command = own("nginx").commands(Program(("nginx",)), [file])
    assert "-g" not in command.argv
    monkeypatch.setattr("os.geteuid", lambda: 0)
    _, command = own("nginx").commands(Program(("nginx",)), [file])
    assert command.argv[-1].startswith("user "), "as root, nginx would serve as a user without access to the folder"


def test_a_command_of_ones_own_gets_its_addresses_as_words_and_as_environment(tmp_path: Path) -> None:
    choice = Choice("mine", command="sh --listen @LISTEN@ --to '@BACKEND_1@ @BACKEND_2@'")
    prepared = prepare(choice, WANTED, tmp_path)
    assert prepared is not None
    assert prepared.argv[-5:] == ("sh", "--listen", "127.0.0.1:8080", "--to", "127.0.0.1:9001 127.0.0.1:9002")
    assert prepared.environment["LAB_BACKENDS"] == "127.0.0.1:9001,127.0.0.1:9002"
    assert prepared.ready_url == "http://127.0.0.1:8080/health"


def test_one_that_runs_elsewhere_is_no_process(tmp_path: Path) -> None:
    assert prepare(Choice("mine", url="http://127.0.0.1:1"), WANTED, tmp_path) is None


def test_a_choice_survives_its_way_to_the_supervisor() -> None:
    choice = Choice("h (own)", adapter="haproxy", files=("/a",), replace=(("x", "LISTEN"),), relay_ports=(1, 2, 3))
    assert Choice.from_json(choice.to_json()) == choice
    with pytest.raises(BadArgumentsError):
        Choice.from_json('{"nonsense": 1}')


@pytest.mark.parametrize("command", ["no-such-program-here @LISTEN@", "sh 'unclosed"])
def test_a_command_that_cannot_be_run_is_told_before_anything_starts(command: str, tmp_path: Path) -> None:
    with pytest.raises(BadArgumentsError):
        prepare(Choice("mine", command=command), WANTED, tmp_path)


def test_one_name_never_stands_for_two_contents(tmp_path: Path) -> None:
    file, comparison = tmp_path / "haproxy.cfg", Comparison(1, "mixed", "m", "now")
    file.write_text("retries 1")
    entries.note_sources(entries.from_files([str(file)], []), comparison)
    entries.note_sources(entries.from_files([str(file)], []), comparison)
    file.write_text("retries 2")
    with pytest.raises(BadArgumentsError, match="with other content"):
        entries.note_sources(entries.from_files([str(file)], []), comparison)
