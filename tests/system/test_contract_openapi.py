"""Contract, the index and `GET /api/v1/openapi.json`; test_openapi.py holds the file's content."""
from service import ROOT, run_program
from wire import ask

ENDPOINTS = {
    "/api/v1/", "/api/v1/health/", "/api/v1/cvs/", "/api/v1/cvs/{person}/",
    "/api/v1/cvs/{person}/{section}/", "/api/v1/cvs/{person}/pdf/", "/api/v1/cvs/{person}/picture/",
    "/api/v1/openapi.json"}
PROBES = {"/livez", "/readyz"}


def test_the_description_is_the_file(service):
    """Byte for byte the file of the repository, in OpenAPI 3.1."""
    answer = ask(service, "/api/v1/openapi.json")
    assert answer.status == 200
    assert answer.body == (ROOT / "docs/openapi.json").read_bytes()
    assert answer.header("Content-Type") == "application/json"
    assert answer.json()["openapi"].startswith("3.1.")


def test_the_description_has_every_endpoint(service):
    """Every path of the contract, each with the three methods, and no other."""
    paths = ask(service, "/api/v1/openapi.json").json()["paths"]
    assert set(paths) - PROBES == ENDPOINTS
    for path, item in paths.items():
        assert {"get", "head", "options"} <= set(item), path


def test_index(service):
    """The endpoints, as URL templates that the description has too."""
    index = ask(service, "/api/v1/").json()
    assert list(index) == ["name", "version", "endpoints"]
    assert index["name"] == "cv-backend"
    assert index["endpoints"]["cvs"] == "/api/v1/cvs/"
    templates = {text.partition("{?")[0].partition("?")[0] for text in index["endpoints"].values()}
    assert templates <= ENDPOINTS
    assert {"/api/v1/health/", "/api/v1/openapi.json", "/api/v1/cvs/{person}/"} <= templates


def test_one_version(service):
    """Index, description, health and `--version` agree."""
    version = ask(service, "/api/v1/").json()["version"]
    assert ask(service, "/api/v1/openapi.json").json()["info"]["version"] == version
    assert ask(service, "/api/v1/health/").json()["version"] == version
    assert version in run_program(service.folder, "--version").stdout.split()
