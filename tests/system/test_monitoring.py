"""deploy/monitoring: rules that hold, and every query of it run by a real Prometheus that scrapes the real sidecar."""
import importlib
import itertools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from urllib.error import HTTPError

import pytest

from load import free_port
from service import ROOT, running, sample_data, wait_until
from sidecar import is_ready, watching
from wire import ask, request, talk

KIT = ROOT / "deploy/monitoring"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# What Grafana fills in; a short interval, as the test is.
VARIABLES = {"$__rate_interval": "10s", "$instance": ".*", "$job": "cv-backend"}
WITHOUT_DATA = ()  # queries of the dashboard that may find no series; keep it so

ANSWERS = (  # method, target, further headers, status
    ("GET", "/api/v1/", {}, 200),
    ("GET", "/api/v1/cvs/", {}, 200),
    ("GET", "/api/v1/cvs/ramin/", {}, 200),
    ("GET", "/api/v1/cvs/ramin/skills/?lang=de&focus=Programming", {}, 200),
    ("GET", "/api/v1/cvs/ramin/pdf/", {"Range": "bytes=0-9"}, 206),
    ("GET", "/api/v1/cvs/ramin/picture/", {}, 200),
    ("GET", "/api/v1/cvs/", {"If-None-Match": "*"}, 304),
    ("GET", "/api/v1/cvs/nobody/", {}, 404),
    ("GET", "/nothing/here", {}, 404),
    ("GET", "/not\\a/\"target\"", {}, 400),
    ("HEAD", "/api/v1/openapi.json", {}, 200),
    ("OPTIONS", "/api/v1/cvs/", {}, 204),
    ("POST", "/api/v1/cvs/", {}, 405),
    ("BREW", "/api/v1/cvs/", {}, 405),
    ("GET", "/api/v1/" + "a" * 20_000, {}, 414),
)
REFUSED = (  # whole heads, status
    (b"no request\r\n\r\n", 400),
    (request(host="wrong.example"), 400),
    (request(version="HTTP/2.7"), 505),
)


def missing(what):
    """Skips for a user; in CI nothing may be missing."""
    assert os.environ.get("CI") != "true", f"no {what} here, and CI must have it"
    pytest.skip(f"needs {what}")


def library(name, package):
    """A Python library that is no part of Python."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return missing(f"Debian's {package}")


def tool(name):
    """The path of a program of Debian's package prometheus."""
    return shutil.which(name) or missing(f"{name} (Debian's prometheus)")


def read_yaml(name):
    """A YAML file of the kit."""
    return library("yaml", "python3-yaml").safe_load((KIT / name).read_text("utf-8"))


def rules(kind):
    """The rules of rules.yml by name; `kind` is alert or record."""
    found = [rule for group in read_yaml("rules.yml")["groups"] for rule in group["rules"] if kind in rule]
    assert len({rule[kind] for rule in found}) == len(found) > 0
    return {rule[kind]: rule for rule in found}


def dashboard():
    """The dashboard, and its panels that are no rows."""
    found = json.loads((KIT / "grafana-dashboard.json").read_text("utf-8"))
    return found, [panel for panel in found["panels"] if panel["type"] != "row"]


def queries():
    """Each query of the dashboard, variables filled in."""
    for panel in dashboard()[1]:
        for target in panel["targets"]:
            query = target["expr"]
            for name, value in VARIABLES.items():
                query = query.replace(name, value)
            assert "$" not in query, query
            yield query


class Prometheus:
    """A running one, by its HTTP API."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path, **fields):
        """The data of an answer, which must be a success."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(fields)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as received:
                answer = json.load(received)
        except HTTPError as error:
            raise AssertionError(f"{fields}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]

    def is_ready(self):
        """Whether it says so."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10):
                return True
        except OSError:
            return False

    def query(self, expression):
        """The series that an expression has now."""
        return self.get("query", query=expression)["result"]

    def some(self, expression):
        """The same, once there are any."""
        try:
            return wait_until(lambda: self.query(expression), 20, 0.2)
        except AssertionError as error:
            raise AssertionError(f"no series: {expression}") from error

    def alerts(self):
        """The names of all alerts that are pending or fire."""
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"]}

    def scrapes(self):
        """What became of each scrape in the last minute: "1" when it got the metrics, else "0"."""
        seen = self.query('up{job="cv-backend"}[1m]')
        return [value for series in seen for _, value in series["values"]]


def prometheus_config(folder, target):
    """The kit's example but for the target and the intervals; its path."""
    config = read_yaml("prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(KIT / name) for name in config["rule_files"]]
    [job] = config["scrape_configs"]
    assert job["job_name"] == "cv-backend"
    job["static_configs"] = [{"targets": [target]}]
    path = folder / "prometheus.yml"
    path.write_text(json.dumps(config), "utf-8")  # which YAML reads as well
    return path


def make_certificate(folder):
    """A certificate that lasts for long; its path."""
    openssl = shutil.which("openssl") or missing("openssl")
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "400", "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"], check=True, capture_output=True)
    return folder / "cert.pem"


class Monitored:
    """The service, its sidecar and the Prometheus that scrapes that."""

    def __init__(self, service, sidecar, prometheus):
        self.service = service
        self.sidecar = sidecar
        self.prometheus = prometheus

    def metrics(self, accept="*/*"):
        """Content type and text of /metrics."""
        answer = ask(self.sidecar, "/metrics", headers={"Accept": accept})
        assert answer.status == 200
        return answer.header("Content-Type"), answer.body.decode("utf-8")

    def holds(self, alert):
        """Whether the expression of an alert is true now."""
        return bool(self.prometheus.query(rules("alert")[alert]["expr"]))


@contextmanager
def scraping(folder, address):
    """A Prometheus that scrapes this address, for the length of a block."""
    binary, port = tool("prometheus"), free_port()
    command = [binary, f"--config.file={prometheus_config(folder, '%s:%d' % address)}",
               f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}"]
    log = folder / "prometheus.txt"
    with open(log, "wb") as out, subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                                                  stderr=subprocess.STDOUT) as process:
        try:
            prometheus = Prometheus(port)
            wait_until(lambda: process.poll() is not None or prometheus.is_ready(), 30)
            assert process.poll() is None, log.read_text("utf-8")
            yield prometheus
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@contextmanager
def monitored(folder, **settings):
    """All three for the length of a block, with the sample CVs."""
    tool("prometheus")
    sample_data(folder)
    with running(folder, settings) as service, \
            watching(folder, {"TLS_CERTIFICATE": str(make_certificate(folder))}) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        with scraping(folder, sidecar.address) as prometheus:
            yield Monitored(service, sidecar, prometheus)


@contextmanager
def traffic(service):
    """Requests of every kind, again and again, for the length of a block; each answer's status must be right."""
    ended = threading.Event()
    wrong = []

    def one_round(refused):
        for method, target, headers, status in ANSWERS:
            answer = ask(service, target, method, headers=headers)
            assert answer.status == status, (method, target, answer)
        for head, status in refused:
            answer = talk(service.address, head)
            assert answer.startswith(b"HTTP/1.1 %d " % status), (head, answer)

    def run():
        for number in itertools.count():
            try:
                one_round(REFUSED if number % 10 == 0 else ())
            except (AssertionError, OSError) as error:
                wrong.append(repr(error)[:300])
            if ended.wait(0.02):
                return

    asking = threading.Thread(target=run, daemon=True)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join(20)
    assert not asking.is_alive() and not wrong, wrong[:10]


@pytest.mark.parametrize("command", [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"),
                                     ("test", "rules", "rules_test.yml")], ids=" ".join)
def test_promtool(command):
    """The configuration, the rules and the cases of the rules, by Prometheus's own tool."""
    finished = subprocess.run([tool("promtool"), *command], cwd=KIT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_every_rule_has_cases():
    """Each alert fires in one case and does not in another; each recording rule is computed."""
    cases = [case for group in read_yaml("rules_test.yml")["tests"] for case in group.get("alert_rule_test", [])]
    wanted = set(rules("alert"))
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == wanted
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == wanted
    computed = [case["expr"] for group in read_yaml("rules_test.yml")["tests"]
                for case in group.get("promql_expr_test", [])]
    assert all(any(name in expression for expression in computed) for name in rules("record"))


def test_alerts_say_what_to_do():
    """Severity, patience, texts, and a heading of its own in docs/operations.md, which has no others."""
    texts = {"summary", "description", "action", "runbook"}
    for name, rule in rules("alert").items():
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert rule["for"] and set(rule["annotations"]) == texts and all(rule["annotations"].values()), name
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{name.lower()}"
    headings = re.findall("^### (Cv[A-Za-z0-9]+)$", (ROOT / "docs/operations.md").read_text("utf-8"), re.M)
    assert sorted(headings) == sorted(rules("alert"))


def test_dashboard_is_tidy():
    """Ids are unique, no two panels overlap, everything is described, and the data source can be chosen."""
    document, panels = dashboard()
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids) and document["schemaVersion"] >= 38
    taken = [(x, y) for panel in document["panels"] for place in [panel["gridPos"]]
             for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]
    assert len(set(taken)) == len(taken) and max(x for x, _ in taken) < 24
    for panel in panels:
        assert panel["title"] and panel["description"].endswith(".") and panel["fieldConfig"]["defaults"]["unit"]
        assert all(one["datasource"]["uid"] == "${datasource}" for one in [panel, *panel["targets"]])


def freeze_a_worker(service):
    """Stops one, which then hangs."""
    victim = service.children("worker")[0]
    resource.prlimit(victim, resource.RLIMIT_CORE, (0, 0))
    os.kill(victim, signal.SIGSTOP)


def kill_workers(service, count):
    """Kills so many, one after the other, as each has come."""
    for _ in range(count):
        os.kill(wait_until(lambda: service.children("worker"))[0], signal.SIGKILL)
        time.sleep(0.3)  # its successor's start


def test_alerts_hold_when_something_is_wrong(tmp_path):
    """Real faults make the expressions of their alerts true, up to the arbiter killed and the sidecar ended."""
    with monitored(tmp_path, TIMEOUT="1") as system:
        wait_until(lambda: system.prometheus.scrapes().count("1") >= 2 and not system.prometheus.alerts(), 20, 0.2)

        def become_true(*alerts):
            for alert in alerts:
                system.prometheus.some(rules("alert")[alert]["expr"])
            wait_until(lambda: set(alerts) <= system.prometheus.alerts(), 15, 0.2)

        freeze_a_worker(system.service)
        (system.service.data / "cvs/broken.json").write_bytes(b"{")
        (system.service.data / "cvs/SHA256SUMS").write_text("0" * 64 + "  ramin.json\n", "utf-8")
        become_true("CvFilesRefused", "CvFilesMismatched", "CvWorkersHung")
        kill_workers(system.service, 3)
        become_true("CvWorkersDying")
        os.kill(system.service.process.pid, signal.SIGKILL)
        system.service.process.wait()
        become_true("CvInstanceDown", "CvNotReady", "CvCheckError")
        wait_until(lambda: not system.holds("CvFilesRefused"), 10, 0.2)  # of living instances alone
        assert not system.holds("CvWorkersMissing") and not system.holds("CvSidecarDown")
        system.sidecar.stop()
        become_true("CvSidecarDown")


@pytest.fixture(scope="module", name="healthy")
def healthy_system(tmp_path_factory):
    """A system in which all is well, under load."""
    with monitored(tmp_path_factory.mktemp("monitored")) as system, traffic(system.service):
        wait_until(lambda: system.prometheus.scrapes().count("1") >= 3, 20)
        yield system


def test_metrics_pass_the_lint(healthy):
    """promtool has no complaint, whatever methods and statuses have come."""
    statuses = {str(status) for *_, status in (*ANSWERS, *REFUSED)}
    kinds = re.compile('_count{.*http_response_status_code="([0-9]+)"')
    wait_until(lambda: statuses == set(kinds.findall(healthy.metrics()[1])))
    media, text = healthy.metrics("text/plain")
    assert media == "text/plain; version=0.0.4; charset=utf-8"
    finished = subprocess.run([tool("promtool"), "check", "metrics"], input=text, capture_output=True, text=True,
                              check=False)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_openmetrics_parses(healthy):
    """The strict parser of Prometheus's own client takes it, and it has the same samples as the older form."""
    strict = library("prometheus_client.openmetrics.parser", "python3-prometheus-client")
    older = library("prometheus_client.parser", "python3-prometheus-client")
    wait_until(lambda: 'le="+Inf"' in healthy.metrics()[1])
    media, text = healthy.metrics(OPENMETRICS)
    assert media == "application/openmetrics-text; version=1.0.0; charset=utf-8" and text.endswith("\n# EOF\n")
    families = list(strict.text_string_to_metric_families(text))
    assert all(family.documentation and family.type != "unknown" for family in families)
    names = {sample.name for family in families for sample in family.samples}
    plain = older.text_string_to_metric_families(healthy.metrics()[1])
    assert {sample.name for family in plain for sample in family.samples} == names
    assert {"http_server_request_duration_seconds_bucket", "cv_connections_total", "cv_ready"} <= names


def test_every_query_of_the_dashboard(healthy):
    """Each is taken and finds something, and so do the variables."""
    for query in queries():
        assert healthy.prometheus.query(query) is not None
        assert query in WITHOUT_DATA or healthy.prometheus.some(query)
    for variable in dashboard()[0]["templating"]["list"]:
        if variable["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
            assert healthy.prometheus.get(f"label/{label}/values", **{"match[]": metric}), variable["name"]


def test_every_rule_is_evaluated(healthy):
    """Recording rules find something; Prometheus itself evaluates all without a fault."""
    for name, rule in rules("record").items():
        assert healthy.prometheus.some(rule["expr"]) and healthy.prometheus.some(name)
    groups = healthy.prometheus.get("rules")["groups"]
    loaded = [rule for group in groups for rule in group["rules"]]
    assert len(loaded) == len(rules("record")) + len(rules("alert"))
    assert {rule["health"] for rule in loaded} == {"ok"}, [rule for rule in loaded if rule["health"] != "ok"]


def test_no_alert_when_all_is_well(healthy):
    """No expression of an alert is true on a healthy system, nor behind a reload and a worker's turn."""
    def assert_quiet():
        wait_until(lambda: not healthy.prometheus.alerts(), 10, 0.2)
        assert [name for name in rules("alert") if healthy.holds(name)] == []

    assert_quiet()
    healthy.service.process.send_signal(signal.SIGHUP)
    os.kill(healthy.service.children("worker")[0], signal.SIGTERM)
    healthy.prometheus.some('cv_reloads_total > 0 and on () cv_worker_ends_total{reason="replaced"} > 0')
    assert_quiet()
    assert healthy.prometheus.query('ALERTS{alertstate="firing"}[5m]') == []
    assert set(healthy.prometheus.scrapes()) == {"1"}
