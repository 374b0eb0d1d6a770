"""Which balancing policy each program's reader finds, and which ones the lab refuses.

Each refusal, and each policy with a key that is not refused, was tried with the real program: 60 GETs of one client,
without cookies, to three backends (HAProxy 2.6, nginx 1.22, Envoy 1.40, Traefik 3.7, Caddy 2.11).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.balancers import adapter
from lab.balancers.configuration import Balancing, Policy, Pool
from lab.balancers.importing import import_files
from lab.errors import BadArgumentsError

TURNS, CHANCE, KEY = Balancing(), Balancing(Policy.RANDOM), Balancing(Policy.KEY)
FEWEST, OTHER, FIRST = Balancing(Policy.FEWEST), Balancing(Policy.OTHER), Balancing(Policy.FIRST)
TWO = Balancing(Policy.FEWEST, draws=2)
TEXTS = {
    "haproxy": "defaults\n mode http\nfrontend f\n bind :80\n default_backend a\nbackend a\n{}\n server x h1:80\n"
    " server y h2:80\n",
    "nginx": "events {{}}\nhttp {{\n upstream a {{\n{}\n server h1:80; server h2:80; }}\n"
    " server {{ listen 80; location / {{ proxy_pass http://a; }} }} }}\n",
    "caddy": ":80 {{\n reverse_proxy h1:80 h2:80 {{\n{}\n }}\n}}\n",
    "traefik": "http:\n  routers: {{r: {{rule: 'PathPrefix(`/`)', service: s}}}}\n"
    "  services:\n    s:\n      loadBalancer:\n        servers: [{{url: 'http://h1:80'}}, {{url: 'http://h2:80'}}]\n{}\n",
    "envoy": """
static_resources:
  listeners:
  - name: l
    address: {{socket_address: {{address: 0.0.0.0, port_value: 80}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: l
          http_filters: [{{name: envoy.filters.http.router}}]
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: a, hash_policy: [{}]}}}}]
  clusters:
  - name: a
{}
    load_assignment:
      cluster_name: a
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: h1, port_value: 80}}}}}}
        - endpoint: {{address: {{socket_address: {{address: h2, port_value: 80}}}}}}
""",
}
NAMES = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf", "caddy": "Caddyfile", "traefik": "app.yaml"}
STRATEGY = "        strategy: "
RING, MAGLEV = "    lb_policy: RING_HASH", "    lb_policy: MAGLEV"


def written(folder: Path, program: str, line: str, key: str = "") -> Path:
    path = folder / NAMES.get(program, "envoy.yaml")
    path.write_text(TEXTS[program].format(*([key] if program == "envoy" else []), line))
    if program != "traefik":
        return path
    static = folder / "traefik.yaml"
    static.write_text(f"entryPoints: {{w: {{address: ':80'}}}}\nproviders: {{file: {{filename: {path}}}}}\n")
    return static


def read(folder: Path, program: str, line: str, key: str = "") -> Pool:
    own = adapter(program).own_files
    assert own is not None
    (pool,) = own.read([written(folder, program, line, key)]).pools
    return pool


@pytest.mark.parametrize(
    ("program", "line", "balancing"),
    [
        ("haproxy", "", TURNS),
        ("haproxy", " balance static-rr", TURNS),
        ("haproxy", " balance leastconn", FEWEST),
        ("haproxy", " balance random", Balancing(Policy.FEWEST, draws=2, repeats=True)),
        ("haproxy", " balance random(1)", CHANCE),
        ("haproxy", " balance random(3)", Balancing(Policy.FEWEST, draws=3, repeats=True)),
        ("haproxy", " balance source", KEY),
        ("haproxy", " balance hdr(X-User)", KEY),
        ("haproxy", " balance first", FIRST),
        ("nginx", "", TURNS),
        ("nginx", "least_conn;", FEWEST),
        ("nginx", "random;", CHANCE),
        ("nginx", "random two least_conn;", TWO),
        ("nginx", "ip_hash;", KEY),
        ("nginx", "hash $request_id;", KEY),
        ("caddy", "", CHANCE),
        ("caddy", "lb_policy round_robin", TURNS),
        ("caddy", "lb_policy least_conn", Balancing(Policy.FEWEST, ties_by_chance=True)),
        ("caddy", "lb_policy random_choose 3", Balancing(Policy.FEWEST, draws=3)),
        ("caddy", "lb_policy cookie lb", KEY),
        ("caddy", "lb_policy first", FIRST),
        ("traefik", "", TURNS),
        ("traefik", f"{STRATEGY}wrr", TURNS),
        ("traefik", f"{STRATEGY}p2c", TWO),
        ("traefik", f"{STRATEGY}hrw", KEY),
        ("traefik", f"{STRATEGY}leasttime", OTHER),
        ("envoy", "", TURNS),
        ("envoy", "    lb_policy: RANDOM", CHANCE),
        ("envoy", RING, KEY),
        ("envoy", "    lb_policy: LEAST_REQUEST", Balancing(Policy.FEWEST, draws=2, repeats=True)),
        (
            "envoy",
            "    lb_policy: LEAST_REQUEST\n    least_request_lb_config: {choice_count: 4}",
            Balancing(Policy.FEWEST, draws=4, repeats=True),
        ),
        (
            "envoy",
            '    load_balancing_policy: {policies: [{typed_extension_config: {name: x, typed_config: {"@type": '
            "type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest, "
            "selection_method: FULL_SCAN}}}]}",
            FEWEST,
        ),
        (
            "envoy",
            '    load_balancing_policy: {policies: [{typed_extension_config: {name: x, typed_config: {"@type": '
            "type.googleapis.com/my.Own}}}]}",
            OTHER,
        ),
    ],
)
def test_the_policy_is_read(program: str, line: str, balancing: Balancing, tmp_path: Path) -> None:
    assert read(tmp_path, program, line).settings.balancing.value == balancing


def test_workers_of_nginx_count_apart_unless_they_share_a_zone(tmp_path: Path) -> None:
    own = adapter("nginx").own_files
    assert own is not None
    path = written(tmp_path, "nginx", "least_conn;")
    path.write_text(f"worker_processes 4;\n{path.read_text()}")
    assert own.read([path]).pools[0].settings.balancing.value.counters == 4
    path.write_text(path.read_text().replace("least_conn;", "least_conn; zone a 64k;"))
    assert own.read([path]).pools[0].settings.balancing.value.counters == 1


PINNED = [
    ("haproxy", " balance source", "", 7),
    ("haproxy", " balance uri", "", 7),
    ("haproxy", " balance hdr(User-Agent)", "", 7),
    ("haproxy", " balance first", "", 7),
    ("nginx", "ip_hash;", "", 4),
    ("nginx", "hash $remote_addr consistent;", "", 4),
    ("nginx", "hash $request_uri;", "", 4),
    ("nginx", 'hash "user-$cookie_user";', "", 4),
    ("caddy", "lb_policy ip_hash", "", 3),
    ("caddy", "lb_policy client_ip_hash", "", 3),
    ("caddy", "lb_policy uri_hash", "", 3),
    ("caddy", "lb_policy header Host", "", 3),
    ("caddy", "lb_policy first", "", 3),
    ("traefik", f"{STRATEGY}hrw", "", 7),
    ("traefik", f"{STRATEGY}leasttime", "", 7),  # with little traffic, 59 of 60 requests went to one server
    ("envoy", RING, "{connection_properties: {source_ip: true}}", 17),
    ("envoy", MAGLEV, "{connection_properties: {source_ip: true}}", 17),
    ("envoy", RING, '{header: {header_name: ":authority"}}', 17),
]


@pytest.mark.parametrize(("program", "line", "key", "number"), PINNED)
def test_a_policy_that_sends_all_requests_of_the_lab_to_one_server_is_refused(
    program: str, line: str, key: str, number: int, tmp_path: Path
) -> None:
    path = written(tmp_path, program, line, key)
    with pytest.raises(BadArgumentsError, match="would go to one server") as refused:
        import_files(program, [path])
    name = NAMES.get(program, "envoy.yaml")
    assert str(refused.value).startswith(f"{name}:{number}: with `")
    assert refused.value.next_step.startswith("in a copy of the file, use another policy, such as ")


@pytest.mark.parametrize(
    ("program", "line", "key"),
    [
        ("nginx", "hash $http_x_user;", ""),
        ("nginx", "hash $cookie_a;", ""),
        ("nginx", "hash $remote_addr$remote_port;", ""),
        ("nginx", "hash $request_id;", ""),
        ("caddy", "lb_policy cookie lb", ""),
        ("caddy", "lb_policy header X-User", ""),
        ("caddy", "lb_policy query user", ""),
        ("traefik", "        sticky: {cookie: {name: a}}", ""),
        ("envoy", RING, ""),
        ("envoy", RING, "{header: {header_name: x-user}}"),
        ("envoy", MAGLEV, "{cookie: {name: c, ttl: 10s}}"),
        ("envoy", RING, "{connection_properties: {source_ip: true}}, {header: {header_name: x-request-id}}"),
        ("envoy", "", "{connection_properties: {source_ip: true}}"),  # round robin uses no key
    ],
)
def test_a_key_that_the_labs_requests_lack_spreads_them(program: str, line: str, key: str, tmp_path: Path) -> None:
    assert import_files(program, [written(tmp_path, program, line, key)]).route.pool.pinned is None
