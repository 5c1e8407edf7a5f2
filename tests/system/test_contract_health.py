"""Contract, "Health" and the probes; and what happens while no CV can be served."""
import json
import re
from datetime import datetime, timedelta, timezone

import jsonschema
import pytest

from expect import check_error
from samples import SMALL, cv
from service import run_program, wait_until
from wire import ask

CHECK = {"type": "object", "required": ["status"],
         "properties": {"status": {"enum": ["ok", "warn", "error"]}, "message": {"type": "string"}}}
SCHEMA = {
    "type": "object", "additionalProperties": False,
    "required": ["status", "version", "timestamp", "checks"],
    "properties": {
        "status": {"enum": ["healthy", "degraded", "unhealthy"]},
        "version": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+"},
        "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "checks": {"type": "object", "required": ["database", "cache", "cv_data"],
                   "additionalProperties": CHECK}}}
CV_ROUTES = ("/api/v1/cvs/", "/api/v1/cvs/mina/", "/api/v1/cvs/mina/education/",
             "/api/v1/cvs/mina/pdf/", "/api/v1/cvs/mina/picture/")


def health(service):
    """Status and report, which must have the contract's form."""
    answer = ask(service, "/api/v1/health/")
    report = answer.json()
    jsonschema.validate(report, SCHEMA)
    assert list(report) == ["status", "version", "timestamp", "checks"]
    for check in report["checks"].values():
        assert check["status"] == "ok" or check["message"], "a message where it is not plain ok"
    assert answer.header("Cache-Control") == "no-store"
    return answer.status, report


def test_healthy(service):
    """All ok: `healthy`, 200; the version is the program's own; the time is now."""
    status, report = health(service)
    assert (status, report["status"]) == (200, "healthy")
    assert {name: check["status"] for name, check in report["checks"].items()} == {
        "database": "ok", "cache": "ok", "cv_data": "ok", "workers": "ok", "disk": "ok"}
    version = run_program(service.folder, "--version").stdout
    assert report["version"] in version
    told = datetime.strptime(report["timestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert abs(datetime.now(timezone.utc) - told) < timedelta(seconds=10)


def test_figures_of_cv_data(service):
    """CVs served, languages, rejected files, generation, age, and whether the locked files match."""
    check = health(service)[1]["checks"]["cv_data"]
    told = json.dumps(check).lower()
    for word in ("language", "reject", "generation", "age", "sha256"):
        assert word in told, word
    numbers = [value for value in check.values() if isinstance(value, int)]
    assert 2 in numbers or 4 in numbers, "two people, four files"


def test_what_is_not_configured_says_so(service):
    """A database or cache that is not configured says so and is ok."""
    checks = health(service)[1]["checks"]
    for name in ("database", "cache"):
        assert checks[name]["status"] == "ok"
        assert re.search("not configured", json.dumps(checks[name]))


def test_generation_and_figures_move(start_service):
    """A load that changes something makes a new generation with other figures."""
    service = start_service()
    before = health(service)[1]["checks"]["cv_data"]
    (service.data / "cvs/zoe.json").write_bytes(cv("Zoe"))
    assert service.load().returncode == 0
    after = health(service)[1]["checks"]["cv_data"]
    assert after["generation"] > before["generation"]
    changed = [name for name, value in before.items()
               if isinstance(value, int) and after[name] == value + 1]
    assert [name for name in changed if name != "generation"], "one CV more"


def test_a_refused_file_degrades(start_service):
    """Some warn: `degraded`, 200; the file is named with its reason."""
    service = start_service(cvs={**SMALL, "bad.json": b'{\n"basics": [}'})
    status, report = health(service)
    assert (status, report["status"]) == (200, "degraded")
    assert report["checks"]["cv_data"]["status"] == "warn"
    assert "bad.json" in json.dumps(report["checks"]["cv_data"])


@pytest.mark.parametrize("target", ["/livez", "/readyz"])
def test_probes(service, target):
    """`ok` in plain text."""
    answer = ask(service, target)
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.header("Content-Type").startswith("text/plain")


@pytest.mark.parametrize("target", ["/livez/", "/readyz/x", "/api/v1/livez", "/healthz"])
def test_probes_have_one_url(service, target):
    """Nothing is redirected to a probe."""
    assert ask(service, target).status == 404


def check_nothing_served(service):
    """Live, not ready, unhealthy; every CV route 503 with Retry-After."""
    assert ask(service, "/livez").status == 200
    ready = ask(service, "/readyz")
    assert ready.status == 503 and ready.body not in (b"", b"ok\n")
    status, report = health(service)
    assert (status, report["status"]) == (503, "unhealthy")
    assert report["checks"]["cv_data"]["status"] == "error"
    for target in CV_ROUTES:
        answer = ask(service, target)
        check_error(answer, 503, "CV data unavailable")
        assert re.fullmatch("[1-9][0-9]*", answer.header("Retry-After"))
    assert ask(service, "/api/v1/").status == ask(service, "/api/v1/openapi.json").status == 200
    assert ask(service, "/nothing").status == 404
    assert ask(service, "/api/v1/cvs/a-b/").status == 400


def check_all_served(service):
    """Ready, healthy, and the list is there."""
    assert ask(service, "/readyz").body == b"ok\n"
    assert health(service)[0] == 200
    assert ask(service, "/api/v1/cvs/").json() == {"cvs": ["mina", "omid"]}


@pytest.mark.parametrize("cvs", [{}, {"bad.json": b"{"}], ids=["empty", "all refused"])
def test_no_cv_at_all(start_service, cvs):
    """While nothing can be served the service is up and says so; a load heals it."""
    service = start_service(cvs=cvs)
    check_nothing_served(service)
    for name, content in SMALL.items():
        (service.data / "cvs" / name).write_bytes(content)
    service.load()
    check_all_served(service)


def test_data_folder_gone_at_start(start_service, tmp_path):
    """The same when the folder is not there; it heals by itself when the data appears."""
    data = tmp_path / "later"
    service = start_service({"CV_DATA_DIR": str(data)})
    check_nothing_served(service)
    (data / "cvs").mkdir(parents=True)
    for name, content in SMALL.items():
        (data / "cvs" / name).write_bytes(content)
    wait_until(lambda: ask(service, "/readyz").status == 200, 10, 0.05)
    check_all_served(service)
