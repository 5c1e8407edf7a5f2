"""Contract, "CORS": only configured origins get CORS headers; Vary names Origin."""
import pytest

from expect import CANONICAL, ERRORS, PROBES, REDIRECTS
from service import ORIGINS
from wire import ask

EVERYTHING = CANONICAL + PROBES + REDIRECTS + ERRORS
STRANGERS = (
    "https://evil.example", "http://app.example.org", "https://app.example.org.evil.example", "null",
    "https://app.example.org/", "https://app.example.org:444", "https://xapp.example.org", "*",
    "app.example.org", "https://app.example.org, https://other.example.org", "",
    "https://app.example.or", "https://sub.app.example.org")
PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}


def cors_names(answer):
    """The CORS headers of an answer."""
    return {name for name in answer.names() if name.startswith("access-control-")}


@pytest.mark.parametrize("target", EVERYTHING)
@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_allowed_origin(service, target, origin, method):
    """An allowed origin is named, on errors and redirects too."""
    answer = ask(service, target, method, headers={"Origin": origin})
    assert answer.header("Access-Control-Allow-Origin") == origin
    assert "x-request-id" in answer.tokens("Access-Control-Expose-Headers")
    assert answer.header("Access-Control-Allow-Credentials") is None
    assert "origin" in answer.tokens("Vary")


@pytest.mark.parametrize("target", ["/api/v1/cvs/", "/api/v1/cvs/nobody/", "/api/v1/cvs"])
@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_other_origins_get_nothing(service, target, origin, method):
    """Any other origin gets no CORS header at all, and the same answer otherwise."""
    answer = ask(service, target, method, headers={"Origin": origin, **PREFLIGHT})
    assert not cors_names(answer)
    without = ask(service, target, method)
    assert answer.status == without.status and len(answer.body) == len(without.body)


@pytest.mark.parametrize("target", EVERYTHING)
def test_vary_without_an_origin(service, target):
    """The answer could have differed, so Vary names Origin for everybody."""
    answer = ask(service, target)
    assert "origin" in answer.tokens("Vary")
    assert not cors_names(answer)


@pytest.mark.parametrize("target", CANONICAL + PROBES)
@pytest.mark.parametrize("origin", ORIGINS)
def test_preflight(service, target, origin):
    """A preflight of an allowed origin answers 204 with the three methods."""
    answer = ask(service, target, "OPTIONS", headers={"Origin": origin, **PREFLIGHT})
    assert answer.status == 204 and answer.body == b""
    assert answer.header("Access-Control-Allow-Origin") == origin
    assert answer.header("Access-Control-Allow-Methods") == "GET, HEAD, OPTIONS"
    assert answer.header("Access-Control-Allow-Headers")
    assert int(answer.header("Access-Control-Max-Age")) > 0
    assert answer.header("Allow") == "GET, HEAD, OPTIONS"
    assert "origin" in answer.tokens("Vary")


@pytest.mark.parametrize("headers, status", [
    ({"If-None-Match": "*"}, 304), ({"Accept-Encoding": "identity;q=0"}, 406)])
def test_other_statuses(service, headers, status):
    """304 and 406 carry the headers too."""
    origin = ORIGINS[0]
    answer = ask(service, "/api/v1/cvs/ramin/", headers={"Origin": origin, **headers})
    assert answer.status == status
    assert answer.header("Access-Control-Allow-Origin") == origin
    assert {"origin", "accept-encoding"} <= answer.tokens("Vary")


def test_range_refused(service):
    """416 carries the headers too."""
    headers = {"Origin": ORIGINS[1], "Range": "bytes=999999999-"}
    answer = ask(service, "/api/v1/cvs/ramin/pdf/", headers=headers)
    assert answer.status == 416
    assert answer.header("Access-Control-Allow-Origin") == ORIGINS[1]


@pytest.mark.parametrize("method, host, status", [
    ("POST", "localhost", 405), ("GET", "evil.example", 400), ("OPTIONS", "evil.example", 400)])
def test_refusals(service, method, host, status):
    """405 and "Invalid host" carry the headers too."""
    answer = ask(service, "/api/v1/cvs/", method, host=host, headers={"Origin": ORIGINS[0]})
    assert answer.status == status
    assert answer.header("Access-Control-Allow-Origin") == ORIGINS[0]


@pytest.mark.parametrize("target", [
    "/api/v1/", "/api/v1/cvs/", "/api/v1/cvs/mina/", "/api/v1/cvs/nobody/", "/api/v1/cvs", "/livez"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_nothing_when_no_origin_is_allowed(plain, target, method):
    """With an empty list there is no CORS header and no `Vary: Origin`."""
    answer = ask(plain, target, method, headers={"Origin": ORIGINS[0], **PREFLIGHT})
    assert not cors_names(answer)
    assert "origin" not in answer.tokens("Vary")
