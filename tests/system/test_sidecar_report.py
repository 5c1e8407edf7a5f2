"""The sidecar's full report, and the metrics in both their forms."""
import hashlib
import os
import re
import signal

import pytest

from samples import SMALL, cv
from service import paused, run_program, running, wait_until, write_cvs
from sidecar import (CHECKS, check_of, is_ready, metrics, parse_metrics, read_report, report, run_sidecar, select,
                     watching)
from wire import ask

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS = ("application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
              "text/plain;version=0.0.4;q=0.2,*/*;q=0.1")
ADVICE = re.compile(r"\b(put|run|restore|renew|correct|change|take|make|see|list|replace|repair|undo)\b")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A service and its sidecar, for what only reads."""
    folder = tmp_path_factory.mktemp("report")
    write_cvs(folder, SMALL)
    with running(folder) as service, watching(folder) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        wait_until(lambda: check_of(sidecar, "workers")["instances"]["query-0"]["ready"] == 2)
        yield service, sidecar


@pytest.mark.parametrize("target", ["/health", "/api/v1/health/"])
def test_healthy(both, target):
    """All eight checks, in the contract's form, with their figures."""
    service, sidecar = both
    status, told = report(sidecar, target)
    assert (status, told["status"], list(told["checks"])) == (200, "healthy", CHECKS)
    assert told["version"] in run_sidecar(sidecar.folder, "--version").stdout
    checks = told["checks"]
    assert (checks["cv_data"]["cvs"], checks["cv_data"]["persons"], checks["cv_data"]["generation"]) == (3, 2, 1)
    for name in ("database", "cache", "proxy", "certificate"):
        assert checks[name]["message"].startswith("not configured"), name
    address = f"http://{service.address[0]}:{service.address[1]}"
    listener = checks["query"]["listeners"][0]
    assert (listener["instance"], listener["url"], listener["status"]) == ("query-0", address, 200)
    workers = checks["workers"]["instances"]["query-0"]
    assert (workers["state"], workers["ready"], workers["wanted"]) == ("serving", 2, 2)
    assert all(figures["free_bytes"] <= figures["size_bytes"] for figures in checks["disk"]["folders"].values())


def test_redirects_as_on_the_service(both):
    """The report's canonical URL ends with a slash, as the service's does."""
    answer = ask(both[1], "/api/v1/health?a=b")
    assert (answer.status, answer.header("Location")) == (301, "/api/v1/health/?a=b")


def degraded_to(sidecar, name, status):
    """The message of a check once it has this status."""
    return wait_until(lambda: (found := check_of(sidecar, name))["status"] == status and found["message"])


def test_a_data_folder_emptied_at_start(tmp_path):
    """Served before, empty now: unhealthy, with what to do."""
    write_cvs(tmp_path, SMALL)
    assert run_program(tmp_path, "load").returncode == 0
    for name in SMALL:
        (tmp_path / "data/cvs" / name).unlink()
    with running(tmp_path) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: check_of(sidecar, "query")["status"] == "ok")
        check = check_of(sidecar, "cv_data")
        assert (check["status"], check.get("cvs"), check.get("persons")) == ("error", 0, 0), check
        assert "put CV files" in check["message"] and "CV_DATA_DIR" in check["message"]
        assert report(sidecar)[0] == 503 and not is_ready(sidecar)
        assert b"[-]cv_data failed: no CV can be served" in ask(sidecar, "/readyz").body
        assert ask(service, "/api/v1/cvs/").status == ask(service, "/readyz").status == 503


def test_a_file_removed(tmp_path):
    """Figures follow what is there, down as well as up."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service, watching(tmp_path) as sidecar:
        (service.data / "cvs/omid.json").unlink()
        wait_until(lambda: select(metrics(sidecar), "cv_catalogue_generation") == 2)
        samples = metrics(sidecar)
        assert (select(samples, "cv_documents"), select(samples, "cv_persons")) == (2, 2)


def test_a_locked_file_altered(tmp_path):
    """A warning that names the file and says what to do; served all the same."""
    write_cvs(tmp_path, SMALL)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in SMALL.items())
    (tmp_path / "data/cvs/SHA256SUMS").write_text(sums)
    with running(tmp_path) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar) and check_of(sidecar, "cv_data")["status"] == "ok")
        (service.data / "cvs/mina.json").write_bytes(cv("Altered"))
        message = degraded_to(sidecar, "cv_data", "warn")
        assert is_ready(sidecar) and report(sidecar)[:1] == (200,)
        assert select(metrics(sidecar), "cv_mismatched_files") == 1
        assert "mina.json" in message and "SHA256SUMS" in message and "omid" not in message
        assert ADVICE.search(message), f"what to do? {message}"


def test_workers_that_keep_dying(tmp_path):
    """Killed again and again: the check says how many, by what, and where more stands."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"WEB_CONCURRENCY": "1"}) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        for _ in range(4):
            pid = wait_until(lambda: service.children("worker"))[0]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda gone=pid: gone not in service.children("worker"))
        message = wait_until(lambda: (text := check_of(sidecar, "workers").get("message", "")) and
                             "4 workers died in a row" in text and text)
        assert message.startswith("query-0: ") and "ERROR_LOG" in message and "signal 9" in message, message
        samples = metrics(sidecar)
        assert select(samples, "cv_worker_ends_total", reason="died") == 4
        assert select(samples, "cv_quick_worker_deaths") == 4


def test_before_the_first_round(tmp_path):
    """While the first round waits for a service that does not answer: the contract's form, not ready, and live."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service, paused(service.children("worker")):
        with watching(tmp_path) as sidecar:
            assert ask(sidecar, "/livez").body == b"ok\n"
            assert b"first round" in ask(sidecar, "/readyz").body
            answer = ask(sidecar, "/api/v1/health/")
            assert b"the first round of checks is under way" in answer.body
            assert ask(sidecar, "/").status == ask(sidecar, "/metrics").status == ask(sidecar, "/events").status == 200
            status, told = read_report(answer)
            assert (status, told["status"]) == (503, "unhealthy")


@pytest.mark.parametrize("accept, expected", [
    (None, PLAIN), ("*/*", PLAIN), ("text/plain", PLAIN), (PROMETHEUS, OPEN), ("application/openmetrics-text", OPEN),
    ("text/plain;q=0.9, application/openmetrics-text;q=0.1", PLAIN), ("application/json", PLAIN),
    ("application/openmetrics-text;q=0", PLAIN), ("APPLICATION/OpenMetrics-Text; Version=1.0.0", OPEN),
    ("text/plain;version=0.0.4;q=0.5, application/openmetrics-text; version=1.0.0; q=0.8", OPEN)])
def test_forms(both, accept, expected):
    """The form that the client prefers, in its exact type."""
    answer = ask(both[1], "/metrics", headers={"Accept": accept} if accept else {})
    assert (answer.status, answer.header("Content-Type")) == (200, expected)
    assert answer.header("Vary") == "Accept" and answer.header("Cache-Control") == "no-store"
    assert answer.body.endswith(b"\n# EOF\n") == (expected == OPEN)


def families(text):
    """{family: (type, its samples' names)} in their order; each family once, in one piece, with help."""
    found, current, helped = {}, None, None
    for line in text.splitlines():
        if line == "# EOF":
            continue
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            assert len(line.split(" ", 3)[3]) > 5, line
        elif line.startswith("# TYPE "):
            current, kind = line.split(" ")[2:]
            assert current == helped and current not in found, line
            found[current] = kind, set()
        else:
            found[current][1].add(re.match("[a-z_]+", line)[0])
    return found


def test_both_forms_say_the_same(both):
    """The same samples; only the families of counters are named differently."""
    plain = ask(both[1], "/metrics").body.decode("utf-8")
    opened = ask(both[1], "/metrics", headers={"Accept": PROMETHEUS}).body.decode("utf-8")
    assert parse_metrics(plain).keys() == parse_metrics(opened).keys()
    for name, (kind, samples) in families(plain).items():
        assert name.endswith("_total") == (kind == "counter"), name
        parts = {name + suffix for suffix in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
        assert samples <= parts, samples
    for name, (kind, samples) in families(opened).items():
        assert not name.endswith("_total")
        parts = {"histogram": {name + suffix for suffix in ("_bucket", "_sum", "_count")},
                 "counter": {name + "_total"}, "gauge": {name}}[kind]
        assert samples <= parts, samples


def test_values(both):
    """Figures of the service, of each check and of the sidecar itself."""
    service, sidecar = both
    samples = metrics(sidecar)
    assert select(samples, "cv_documents") == 3 and select(samples, "cv_persons") == 2
    assert select(samples, "cv_instance_up", service_instance_id="query-0") == 1
    assert select(samples, "cv_instance_state", state="serving") == select(samples, "cv_instance_state") == 1
    assert select(samples, "cv_wanted_workers") == 2 and select(samples, "cv_ready") == 1
    url = f"http://{service.address[0]}:{service.address[1]}"
    assert select(samples, "cv_probe_success", listener=url) == 1
    assert {dict(labels)["check"]: value for (name, labels), value in samples.items()
            if name == "cv_check_status"} == dict.fromkeys(CHECKS, 0)
    assert 1 < select(samples, "process_open_fds") < select(samples, "process_max_fds")
    resident = select(samples, "process_resident_memory_bytes")
    assert 1e6 < resident < select(samples, "process_virtual_memory_bytes")
    version = run_sidecar(sidecar.folder, "--version").stdout.split()[-1]
    assert select(samples, "cv_build_info", version=version) == 1


def test_histograms_are_cumulative(both):
    """Buckets rise up to +Inf, which is the count; bounds are in order."""
    for target in ("/api/v1/cvs/", "/api/v1/cvs/mina/", "/nothing"):
        ask(both[0], target)
    name = "http_server_request_duration_seconds"
    series = {}
    samples = wait_until(
        lambda: (found := metrics(both[1])) and select(found, name + "_count", http_route="") and found)
    for (family, labels), value in samples.items():
        if family == name + "_bucket":
            bound = float(dict(labels)["le"])
            rest = frozenset(pair for pair in labels if pair[0] != "le")
            series.setdefault(rest, []).append((bound, value))
    assert len(series) >= 3
    for labels, buckets in series.items():
        assert [bound for bound, _ in buckets] == sorted(bound for bound, _ in buckets)
        assert [value for _, value in buckets] == sorted(value for _, value in buckets)
        assert buckets[-1] == (float("inf"), samples[name + "_count", labels])
        count, total = buckets[-1][1], samples[name + "_sum", labels]
        assert 0 < total < 5 * count
