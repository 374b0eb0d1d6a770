"""Runs as PID 1 in the emulated machine: injects through `chaos.netns` into a namespace of its own, measures, and says
its verdict on the console. `initramfs.py` puts the interpreter's line before this."""

import ctypes
import json
import os
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, "/app")
os.environ |= {"PATH": "/usr/sbin:/sbin:/usr/bin:/bin", "PYTHONPATH": "/app", "PYTHONDONTWRITEBYTECODE": "1"}
LIBC = ctypes.CDLL(None, use_errno=True)
FINIT_MODULE = 313
POWER_OFF = 0x4321FEDC
HERE, THERE, PORT = ("10.9.0.1", "fd09::1"), ("10.9.0.2", "fd09::2"), 8000
ECHO = f"""
import socketserver
class H(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            if data.startswith(b"GET"):
                self.request.sendall(b"x" * int(data[3:]))
            else:
                self.request.sendall(data)
class S(socketserver.ThreadingTCPServer):
    address_family = 10
    allow_reuse_address = True
    daemon_threads = True
S(("::", {PORT}), H).serve_forever()
"""
problems = []


def say(text):
    sys.stdout.write(f"KERNEL-TEST {text}\n")
    sys.stdout.flush()


def check(name, good, seen):
    say(f"{'ok  ' if good else 'FAIL'} {name}: {seen}")
    if not good:
        problems.append(name)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def prepare():
    for what, where in (
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
    ):
        LIBC.mount(what.encode(), where.encode(), what.encode(), 0, None)
    for name in sorted(os.listdir("/modules")):
        with open(f"/modules/{name}", "rb") as module:
            if LIBC.syscall(FINIT_MODULE, module.fileno(), b"", 0):
                say(f"module {name}: {os.strerror(ctypes.get_errno())}")
    run("ip", "netns", "add", "target")
    run("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", "target")
    for inside, device, addresses in ((False, "veth0", HERE), (True, "eth0", THERE)):
        ip = ("ip", "-n", "target") if inside else ("ip",)
        run(*ip, "link", "set", "lo", "up")
        run(*ip, "link", "set", device, "up")
        run(*ip, "addr", "add", f"{addresses[0]}/24", "dev", device)
        run(*ip, "addr", "add", f"{addresses[1]}/64", "dev", device, "nodad")
    return subprocess.Popen(["ip", "netns", "exec", "target", sys.executable, "-S", "-c", ECHO])


def connected(address):
    deadline = time.monotonic() + 20
    while True:
        try:
            # Enough for eight packets lost in a row: the pauses between them double, from 0.2 s.
            sock = socket.create_connection((address, PORT), timeout=60)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


def round_trip(sock):
    started = time.monotonic()
    sock.sendall(b"ping")
    sock.recv(64)
    return time.monotonic() - started


ATTEMPTS = 3
LATE_S = 0.005
"""Where a tenth of all short sleeps end so late, the host is too busy to measure 20 ms."""


def delays(sock, count, plain):
    """Return what each round trip took beyond `plain`, and how late a tenth of the short sleeps between were."""
    took, late = [], []
    for _ in range(count):
        took.append(round_trip(sock) - plain)
        before = time.monotonic()
        time.sleep(0.001)
        late.append(time.monotonic() - before - 0.001)
    return took, statistics.quantiles(late, n=10)[-1]


def round_trips(sock, count):
    return [round_trip(sock) for _ in range(count)]


class Helper:
    """`python -m chaos.netns run`, as in a helper container."""

    def __init__(self, kind, **fields):
        impairment = {"kind": kind, "duration_s": 120, "port": PORT} | fields
        command = ["ip", "netns", "exec", "target", sys.executable, "-S", "-m", "chaos.netns", "run", "--impairment"]
        self.process = subprocess.Popen([*command, json.dumps(impairment)], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.mechanism = json.loads(line.removeprefix("READY "))["mechanism"] if line else "none"

    def tell(self, wish):
        from chaos.netns.send_line import send

        return json.loads(send("/run/reroute.sock", json.dumps(wish)))

    def end(self):
        self.process.terminate()
        self.process.wait(20)
        left = run("ip", "netns", "exec", "target", "tc", "qdisc", "show", "dev", "eth0")
        check("nothing is left", "4e52" not in left, left.strip())


def test_delay(version, sock):
    plain = statistics.median(round_trips(sock, 20))
    helper = Helper("delay", delay_s=0.1, jitter_s=0.02, distribution="normal")
    check(f"{version} delay's mechanism", helper.mechanism == "netem", helper.mechanism)
    for attempt in range(1, ATTEMPTS + 1):
        took, late = delays(sock, 100, plain)
        lower, middle, upper = statistics.quantiles(took, n=4)
        spread = (upper - lower) / 1.349  # of a normal distribution: a stalled host moves its tail, not its quartiles
        right = abs(middle - 0.1) <= 0.01 and abs(spread - 0.02) <= 0.008
        if right or late < LATE_S:
            break
        say(f"inconclusive: in attempt {attempt} this machine was {late * 1000:.1f} ms late")
    # 100 samples of a deviation of 20 ms: their median is known to 2.5 ms, the spread by quartiles to 2.3 ms.
    seen = f"median {middle * 1000:.1f} ms, spread {spread * 1000:.1f} ms, plain {plain * 1000:.1f} ms"
    check(f"{version} delay on an open connection: 100 ms, spread 20 ms", right, f"{seen}, late {late * 1000:.1f} ms")
    helper.end()
    after = statistics.median(round_trips(sock, 20))
    check(f"{version} delay is over", after < plain + 0.02, f"{after * 1000:.1f} ms")


def test_kinds(sock, kinds):
    wanted = {
        # Short bursts: TCP waits twice as long after each packet of one.
        "loss": ({"loss": 0.2, "model": "gilbert-elliott", "recovery": 0.9}, "loss gemodel"),
        "corrupt": ({"share": 0.25}, "corrupt 25%"),
        "duplicate": ({"share": 0.2, "correlation": 0.25}, "duplicate 20%"),
        "reorder": ({"share": 0.25, "delay_s": 0.01}, "reorder 25%"),
    }
    for kind in kinds:
        fields, words = wanted[kind]
        helper = Helper(kind, **fields)
        shown = run("ip", "netns", "exec", "target", "tc", "-s", "qdisc", "show", "dev", "eth0")
        check(
            f"{kind} is netem's",
            helper.mechanism == "netem" and words in shown,
            " ".join(shown.partition("netem")[2].split())[:120],
        )
        if kind in ("loss", "corrupt"):
            # The first is enough, and that none of 100 is hit has a chance of 1 in 10⁹.
            slow = next((number for number in range(1, 101) if round_trip(sock) > 0.15), None)
            check(f"{kind} shows as a retransmission", slow is not None, f"in round trip {slow}")
        helper.end()


def test_combination(sock):
    helper = Helper("delay", delay_s=0.05)
    answer = helper.tell({"add": {"kind": "bandwidth", "duration_s": 60, "port": PORT, "rate_bit_s": 2e6}})
    check("bandwidth beside a delay", answer.get("mechanism") == "htb", answer)
    size = 250_000
    started, got = time.monotonic(), 0
    sock.sendall(b"GET%d" % size)
    while got < size:
        got += len(sock.recv(65536))
    took = time.monotonic() - started
    check("2 mbit let 250 kB pass in a second", 0.75 <= took <= 1.6, f"{took:.2f} s")
    check("bandwidth ends alone", helper.tell({"remove": "bandwidth"}) == {"left": ["delay"]}, "")
    trip = statistics.median(round_trips(sock, 10))
    check("the delay goes on", 0.05 <= trip <= 0.075, f"{trip * 1000:.1f} ms")
    helper.end()


def test_forced(sock):
    helper = Helper("delay", delay_s=0.1, mechanism="nfqueue")
    trip = statistics.median(round_trips(sock, 20))
    check(
        "nfqueue by force",
        helper.mechanism == "nfqueue" and 0.1 <= trip <= 0.12,
        f"{helper.mechanism}, {trip * 1000:.1f} ms",
    )
    helper.end()


def main():
    server = prepare()
    v4 = connected(THERE[0])
    test_delay("IPv4", v4)
    with open("/proc/cmdline") as words:
        sample = "reroute.sample" in words.read().split()
    if sample:
        test_kinds(v4, ("loss",))
        server.kill()
        return
    test_delay("IPv6", connected(THERE[1]))
    test_kinds(v4, ("loss", "corrupt", "duplicate", "reorder"))
    test_combination(v4)
    test_forced(v4)
    server.kill()


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must be said before the machine ends
        problems.append(f"{type(error).__name__}: {error}")
    say(f"verdict: {'pass' if not problems else 'fail: ' + '; '.join(problems)}")
    os.sync()
    LIBC.reboot(POWER_OFF)
