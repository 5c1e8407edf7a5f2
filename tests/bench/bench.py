"""Measures cv-query, alone and behind its edge, beside the least a server can do and beside nginx (README.md)."""

import argparse
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import sample
import servers
from servers import Failure, Server

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("floor", "nginx", "cv-query", "nginx-tls", "edge-static", "edge")
WORKS = {"list": "list", "section": "section", "cv": "CV"}
BARS = {  # least ratio of the first one's figure to that of the second
    ("cv-query", "floor"): {"list": 0.80, "section": 0.80, "cv": 0.90},
    ("cv-query", "nginx"): {"list": 1.2, "section": 1.2},
    ("edge", "nginx-tls"): {"list": 0.80, "section": 0.80, "cv": 0.90},
    ("edge", "edge-static"): {"list": 0.80, "section": 0.80, "cv": 0.90},
}
EDGES = {"nginx-tls", "edge-static", "edge"}  # the first two have the compressed files from the third
TYPICAL_HEAD = (  # what the floor answers with when cv-query is not there to copy from
    "HTTP/1.1 200 OK\r\nDate: Thu, 15 Jan 2026 10:30:00 GMT\r\nContent-Type: application/json\r\n"
    "Content-Length: {size}\r\nCache-Control: public, max-age=300\r\n"
    'ETag: "0123456789abcdef0123456789abcdef"\r\n'
    "Vary: Accept-Encoding\r\nContent-Language: en\r\nX-Request-ID: 0123456789abcdef0123456789abcdef\r\n\r\n"
)


def arguments() -> argparse.Namespace:
    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < 1:
            raise argparse.ArgumentTypeError("a number from 1 on is needed")
        return int(text)

    def some_servers(text: str) -> list[str]:
        if unknown := set(text.split(",")) - set(SERVERS):
            raise argparse.ArgumentTypeError(f"no such server: {', '.join(sorted(unknown))}")
        return [name for name in SERVERS if name in text.split(",")]

    parser = argparse.ArgumentParser(prog="scripts/bench.sh", description=__doc__)
    some = "some of " + ",".join(SERVERS)
    parser.add_argument("--rounds", type=count, default=5, metavar="N", help="rounds (default 5)")
    parser.add_argument("--seconds", type=count, default=3, metavar="S", help="of a measurement (default 3)")
    parser.add_argument("--connections", type=count, default=64, metavar="N", help="of the load (default 64)")
    parser.add_argument("--only", type=some_servers, default=list(SERVERS), metavar="LIST", help=some)
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of cv-query and edge, not as usual"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--no-build", action="store_true", help="take the release build as it is")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(options) -> tuple[Path, Path]:
    """The programs cv-query and floor."""
    ours = bool({"cv-query", *EDGES} & set(options.only))
    if ours and not options.no_build:
        for command in (["--preset", "release"], ["--build", "--preset", "release"]):
            subprocess.run(["cmake", *command], cwd=ROOT, check=True, stdout=sys.stderr)
    cv_query = Path(os.environ.get("CV_BIN_DIR", ROOT / "build/release/bin")) / "cv-query"
    if ours and not cv_query.exists():
        raise Failure(f"no cv-query in {cv_query.parent}")
    floor = ROOT / "build/bench/floor"
    floor.parent.mkdir(parents=True, exist_ok=True)
    compile_floor = ["cc", "-O2", "-std=gnu17", "-Wall", "-Wextra", "-o", floor, servers.HERE / "floor.c"]
    subprocess.run(compile_floor, check=True, stdout=sys.stderr)
    return cv_query, floor


def start(options, programs, core: int, folder: Path, bodies: dict[str, bytes], stack: ExitStack):
    """Every asked-for server by name and work, each known to give the right answers."""
    cv_query, floor = programs
    answers = {work: TYPICAL_HEAD.format(size=len(body)).encode() + body for work, body in bodies.items()}
    running: dict[str, dict[str, Server]] = {}
    more = dict(setting.split("=", 1) for setting in options.set)
    if "cv-query" in options.only:
        server = servers.start_cv_query(core, folder / "cv-query", cv_query, folder / "data", more, stack)
        running["cv-query"] = dict.fromkeys(WORKS, server)
        answers = {work: b"".join(server.check(work, body)) for work, body in bodies.items()}
    if "floor" in options.only:
        running["floor"] = servers.start_floor(core, folder / "floor", floor, answers, stack)
    if "nginx" in options.only:
        running["nginx"] = dict.fromkeys(WORKS, servers.start_nginx(core, folder / "nginx", bodies, stack))
    if EDGES & set(options.only):
        edge = servers.start_edge(core, folder / "edge", cv_query, folder / "data", more, stack)
        running["edge"] = dict.fromkeys(WORKS, edge)
        static = servers.start_nginx(core, folder / "nginx-tls", bodies, stack, like=edge)
        running["nginx-tls"] = dict.fromkeys(WORKS, static)
        static = servers.start_edge_static(core, folder / "edge-static", cv_query, bodies, edge, stack)
        running["edge-static"] = dict.fromkeys(WORKS, static)
    for by_work in running.values():
        for work, server in by_work.items():
            server.check(work, bodies[work])
    return running


def measure(server: Server, work: str, body: bytes, core: int, options) -> tuple[float, float, int]:
    """Requests per second of the server's CPU time, its busy share, and how many answers were no success."""
    load = ["-t1", f"-c{options.connections}", f"-d{options.seconds}s", "-s", servers.HERE / "report.lua"]
    command = ["taskset", "-c", str(core), "wrk", *load, *server.load_arguments(work)]
    before = server.cpu_nanoseconds()
    began = time.monotonic()
    wrk = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wall = time.monotonic() - began
    after = server.cpu_nanoseconds()
    if (lost := before.keys() - after.keys()) and before["ended"] == after["ended"]:
        raise server.failure(f"lost threads {', '.join(sorted(lost))} and their CPU time during {work}")
    report = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", wrk.stdout.splitlines()[-1])}
    short = not report["non_2xx"] and report["bytes"] < report["requests"] * len(server.check(work, body)[1])
    if short or report["socket_errors"] or not report["requests"]:
        raise server.failure(f"did not answer every request of {work}: {report}")
    if server.log.exists():
        os.truncate(server.log, 0)  # gigabytes otherwise
    spent = (sum(after.values()) - sum(before.values())) / 1e9
    return report["requests"] / spent, spent / wall, report["non_2xx"]


def measure_all(running, bodies: dict[str, bytes], core: int, options):
    """The median figure of each work and server, and the failed answers of each work."""
    rates: dict[tuple[str, str], list[float]] = {}
    failed = dict.fromkeys(WORKS, 0)
    for number in range(1, options.rounds + 1):
        for work, body in bodies.items():
            for name in options.only:
                rate, busy, non_2xx = measure(running[name][work], work, body, core, options)
                rates.setdefault((work, name), []).append(rate)
                failed[work] += non_2xx
                what = f"round {number}/{options.rounds} {WORKS[work]:8}{name:9}"
                say(f"{what}{rate:8.0f} requests per CPU second, {busy:.0%} busy")
    return {key: statistics.median(values) for key, values in rates.items()}, failed


def table(medians: dict[tuple[str, str], float], failed: dict[str, int], bodies: dict[str, bytes]) -> str:
    def figure(work: str, name: str) -> str:
        return f"{medians[work, name]:,.0f}" if (work, name) in medians else "–"

    def ratio(work: str, ours: str, other: str) -> str:
        if not {(work, ours), (work, other)} <= medians.keys():
            return "–"
        value, bar = medians[work, ours] / medians[work, other], BARS[ours, other].get(work)
        return f"{value:.2f}" + (f" ({'met' if value >= bar else 'below'}: {bar:.2f})" if bar else "")

    titles = (f"{ours} / {other} (bar)" for ours, other in BARS)
    rows = [("work", "bytes", *SERVERS, *titles, "non-2xx"), ("---", *["---:"] * (2 + len(SERVERS) + len(BARS)))]
    for work, label in WORKS.items():
        figures = [*(figure(work, name) for name in SERVERS), *(ratio(work, *pair) for pair in BARS)]
        rows.append((label, f"{len(bodies[work]):,}", *figures, str(failed[work])))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def machine() -> str:
    def said(command: list[str], given: str = "") -> str:
        out = subprocess.PIPE
        done = subprocess.run(command, input=given, stdout=out, stderr=subprocess.STDOUT, text=True)
        return done.stdout.strip().partition("\n")[0]

    compiler = os.environ.get("CXX", "c++")
    model = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    boost = said([compiler, "-E", "-P", "-x", "c++", "-"], "#include <boost/version.hpp>\nBOOST_LIB_VERSION")
    return "; ".join(
        (
            f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
            f"Linux {platform.release()}",
            said([compiler, "--version"]),
            "Boost " + (boost.strip('"').replace("_", ".") if boost.startswith('"') else "not found"),
            said(["nginx", "-v"]).replace("nginx version: ", ""),
            said(["wrk", "-v"]).partition(" [")[0],
        )
    )


def run(options: argparse.Namespace) -> int:
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise Failure("two cores are needed: one for the server, one for the load")
    if missing := [tool for tool in ("cc", "nginx", "taskset", "wrk") if not shutil.which(tool)]:
        raise Failure(f"missing: {', '.join(missing)}")
    programs = build(options)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cv-bench-")))
        bodies = sample.write(folder / "data")
        running = start(options, programs, cores[0], folder, bodies, stack)
        medians, failed = measure_all(running, bodies, cores[1], options)
    how = "".join(f"with {setting}, " for setting in options.set)
    how += f"median of {options.rounds} rounds of {options.seconds} s, {options.connections} connections"
    parts = (
        f"Requests per second of the server's CPU time, {how}.",
        table(medians, failed, bodies),
        f"Machine: {machine()}",
    )
    report = "\n\n".join(parts) + "\n"
    print(report, end="", flush=True)
    if any(failed.values()):
        raise Failure("some answers were no success: the figures are worthless")
    if options.output:
        options.output.write_text(report, encoding="utf-8")
    return 0


def main() -> int:
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that every server is ended on the way out
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130
    except (Failure, OSError, subprocess.CalledProcessError) as error:
        say(f"bench: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
