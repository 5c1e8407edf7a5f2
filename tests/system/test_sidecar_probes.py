"""The sidecar's probes in the Kubernetes manner: live, ready and started, and what each depends on."""
import os
import re
import signal
import socket
import time

import pytest

from expect import check_error
from samples import SMALL
from service import running, wait_until, write_cvs
from sidecar import check_of, is_ready, launched, metrics, report, run_sidecar, select, watching
from test_state import slow_load
from wire import ask

ROUND = 4.0  # seconds: a probe period, the patience of a probe and a little
PROBES = ("/livez", "/readyz", "/startupz")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A service and its sidecar, for what only reads."""
    folder = tmp_path_factory.mktemp("probes")
    write_cvs(folder, SMALL)
    with running(folder) as service, watching(folder) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        yield service, sidecar


def lines(sidecar, target, status=200):
    """The lines of a probe's plain answer, which nobody may keep."""
    answer = ask(sidecar, target)
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "text/plain; charset=utf-8"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("X-Content-Type-Options") == "nosniff"
    return answer.body.decode("utf-8").splitlines()


def why_not(sidecar, part="instances"):
    """Why a part is not ready, as /readyz says it; empty while it is."""
    answer = ask(sidecar, f"/readyz/{part}")
    if answer.status == 200:
        return ""
    assert answer.status == 503 and answer.body.endswith(b"readyz check failed\n")
    return answer.body.decode("utf-8").splitlines()[0]


@pytest.mark.parametrize("target", PROBES + ("/readyz/query", "/readyz/instances", "/readyz/cv_data"))
def test_good_and_short(both, target):
    """`ok` and nothing else."""
    assert lines(both[1], target) == ["ok"]
    head = ask(both[1], target, "HEAD")
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", "3")


@pytest.mark.parametrize("target, expected", [
    ("/livez", ["[+]ping ok", "livez check passed"]),
    ("/readyz", ["[+]instances ok", "[+]query ok", "[+]cv_data ok", "readyz check passed"]),
    ("/readyz/query", ["[+]query ok", "readyz check passed"]),
    ("/startupz", ["[+]started ok", "startupz check passed"])])
@pytest.mark.parametrize("query", ["?verbose", "?verbose=1", "?a=b&verbose"])
def test_verbose(both, target, expected, query):
    """Each check in a line of its own, then the sum of them."""
    assert lines(both[1], target + query) == expected


@pytest.mark.parametrize("query, excluded, unknown", [
    ("exclude=query", ["query"], []),
    ("exclude=query&exclude=cv_data", ["query", "cv_data"], []),
    ("exclude=query&exclude=query", ["query"], []),
    ("exclude=nothing", [], ["nothing"]),
    ("exclude=%71uery&exclude=%1b%5b", ["query"], [r"\x1b\["]),
    ("exclude=query&exclude=etcd", ["query"], ["etcd"])],
    ids=["known", "two", "repeated", "unknown", "encoded", "known and unknown"])
def test_exclude(both, query, excluded, unknown):
    """What is excluded does not count; a name that is no check's is told, once, and does no harm."""
    told = lines(both[1], f"/readyz?verbose&{query}")
    for name in ("instances", "query", "cv_data"):
        assert f"[+]{name} excluded: ok" in told if name in excluded else f"[+]{name} ok" in told
    warnings = [line for line in told if line.startswith("warn:")]
    assert len(warnings) == len(unknown), warnings
    assert all(line.isprintable() for line in told)
    assert lines(both[1], f"/readyz?{query}") == ["ok"]


@pytest.mark.parametrize("target", ["/readyz?exclude=%zz", "/livez?exclude=%", "/startupz?%2=verbose"])
def test_malformed_queries(both, target):
    """400, as on the service."""
    check_error(ask(both[1], target), 400, "Malformed request")


def test_parts_of_ready(both):
    """A part that there is not is 404 with those that there are; nothing is redirected to a probe."""
    check_error(ask(both[1], "/readyz/disk"), 404, "Not found",
                {"check": "disk", "valid_checks": ["instances", "query", "cv_data"]})
    for target in ("/readyz/", "/readyz/query/", "/livez/", "/livez/ping", "/startupz/started", "/healthz"):
        assert ask(both[1], target).status == 404, target


def test_without_any_service(tmp_path):
    """Live for ever; not ready and not started, with the reason; then it starts, and stays started."""
    with watching(tmp_path) as sidecar:
        assert lines(sidecar, "/livez") == ["ok"]
        wait_until(lambda: "CV_RUN_DIR" in why_not(sidecar))
        told = lines(sidecar, "/readyz", 503)
        assert told[0].startswith("[-]instances failed: no instance of the service")
        assert told[1].startswith("[-]query failed: ") and told[2].startswith("[-]cv_data failed: ")
        assert told[-1] == "readyz check failed"
        assert lines(sidecar, "/readyz?exclude=instances&exclude=query", 503)[2].startswith("[-]cv_data")
        assert lines(sidecar, "/readyz?exclude=instances&exclude=query&exclude=cv_data") == ["ok"]
        started = lines(sidecar, "/startupz", 503)
        assert started[0].startswith("[-]started failed: ") and started[1] == "startupz check failed"
        status, told = report(sidecar)
        assert (status, told["checks"]["workers"]["status"]) == (503, "error")
        assert "start cv-query" in told["checks"]["workers"]["message"]
        write_cvs(tmp_path, SMALL)
        with running(tmp_path):
            wait_until(lambda: is_ready(sidecar))
            assert lines(sidecar, "/startupz") == ["ok"]
        wait_until(lambda: not is_ready(sidecar))
        assert lines(sidecar, "/startupz") == lines(sidecar, "/livez") == ["ok"]


def test_while_the_first_load_runs(tmp_path):
    """Neither ready nor started: an instance that loads is not one that serves."""
    slow_load(tmp_path, 20)
    with watching(tmp_path) as sidecar, launched(tmp_path) as service:
        loader = wait_until(lambda: service.children("loader"))[0]
        os.kill(loader, signal.SIGSTOP)
        try:
            wait_until(lambda: why_not(sidecar).endswith("query-0: starting"))
            assert why_not(sidecar, "query") and why_not(sidecar, "cv_data")
            assert lines(sidecar, "/startupz", 503)[0].startswith("[-]started failed")
            assert lines(sidecar, "/livez") == ["ok"]
            assert service.children("worker") == [], "there is nothing yet to serve, nor to listen on"
            wait_until(lambda: "query-0: starting" in check_of(sidecar, "workers").get("message", ""), ROUND)
        finally:
            os.kill(loader, signal.SIGCONT)
        wait_until(lambda: is_ready(sidecar))
        assert lines(sidecar, "/startupz") == ["ok"]
        service.ready()
        assert select(metrics(sidecar), "cv_worker_ends_total") == 0


def test_while_the_service_drains(tmp_path):
    """Not ready from SIGTERM on, although what is in flight still gets its answer."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        with socket.create_connection(service.address, 10) as held:
            held.sendall(b"GET /livez HTTP/1.1\r\n")
            service.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not is_ready(sidecar), ROUND)
            assert why_not(sidecar) == "[-]instances failed: query-0: stopping"
            assert lines(sidecar, "/startupz") == ["ok"]
            held.sendall(b"Host: localhost\r\n\r\n")
            assert held.recv(100).startswith(b"HTTP/1.1 200 ")
        service.stop()
        wait_until(lambda: "no instance" in why_not(sidecar))


def stop_workers(service):
    """All workers hang: connections are taken, and never answered."""
    pids = service.children("worker")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def test_workers_that_hang(tmp_path):
    """503 within a probe period, however many addresses, for a reason that says where; 200 again when they go on."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"BIND": "127.0.0.1:0,127.0.0.1:0,[::1]:0"}) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        pids = stop_workers(service)
        try:
            start = time.monotonic()
            wait_until(lambda: not is_ready(sidecar), 20)
            took = time.monotonic() - start
            reason = why_not(sidecar, "query")
            assert re.search(r"http://127\.0\.0\.1:\d+ does not answer: no answer within \d+ ms", reason), reason
            assert why_not(sidecar, "instances") == "" and ask(sidecar, "/livez").status == 200
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        wait_until(lambda: is_ready(sidecar), 3 * ROUND)
        assert service.children("worker") == pids
        assert took < ROUND, f"{took:.1f} s until /readyz was 503"


def test_every_listener_is_asked(tmp_path):
    """All addresses of BIND, wildcards on the loopback and unix sockets too; each is in the report."""
    write_cvs(tmp_path, SMALL)
    path = tmp_path / "query.sock"
    with running(tmp_path, {"BIND": f"0.0.0.0:0,[::]:0,unix:{path}"}), watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        listeners = report(sidecar)[1]["checks"]["query"]["listeners"]
        assert [one["status"] for one in listeners] == [200] * 3
        assert [one["instance"] for one in listeners] == ["query-0"] * 3
        assert re.fullmatch(r"http://0\.0\.0\.0:\d+", listeners[0]["url"])
        assert re.fullmatch(r"http://\[::\]:\d+", listeners[1]["url"]) and listeners[2]["url"] == f"unix:{path}"
        os.rename(path, tmp_path / "elsewhere")
        wait_until(lambda: not is_ready(sidecar), ROUND)
        assert f"unix:{path} does not answer: No such file" in why_not(sidecar, "query")
        os.rename(tmp_path / "elsewhere", path)
        wait_until(lambda: is_ready(sidecar), ROUND)


def test_its_own_healthcheck(tmp_path):
    """As a container asks: 0 while the sidecar answers, whatever it has to say of the service; else 1, and why."""
    path = tmp_path / "health.sock"
    with watching(tmp_path, {"SIDECAR_BIND": f"127.0.0.1:0,unix:{path}"}) as sidecar:
        bind = f"127.0.0.1:{sidecar.address[1]},unix:{path}"
        finished = run_sidecar(tmp_path, "healthcheck", "--sidecar-bind", bind)
        assert (finished.returncode, finished.stderr) == (0, "")
        assert finished.stdout == "".join(f"{where}: alive\n" for where in bind.split(","))
    finished = run_sidecar(tmp_path, "healthcheck", "--sidecar-bind", bind)
    assert finished.returncode == 1 and "refused" in finished.stderr and finished.stdout == ""
    assert run_sidecar(tmp_path, "healthcheck").returncode == 78  # port 0: nobody knows which
