"""Contract, "base": 301 to the canonical URL, query kept; https where it is asked for."""
import pytest

from expect import check_error
from samples import SMALL
from service import ORIGINS, running, write_cvs
from wire import ask

PATHS = ("/api/v1", "/api/v1/cvs", "/api/v1/health", "/api/v1/cvs/ramin", "/api/v1/cvs/ramin/skills",
         "/api/v1/cvs/ramin/pdf", "/api/v1/cvs/mahsa/picture", "/api/v1/cvs/nobody",
         "/api/v1/cvs/ramin/hobbies")
QUERIES = ("", "?lang=de", "?limit=1&after=mahsa", "?focus=Full+CV", "?focus=a%20b%2Fc", "?x=%zz", "?a=/b/?c")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_slash(service, path, query, method):
    """The same path without the slash answers 301 to the canonical one, the query as it was."""
    answer = ask(service, path + query, method)
    assert answer.status == 301
    assert answer.header("Location") == f"{path}/{query}"


def test_following_it_helps(service):
    """The redirect leads to the answer, in one step."""
    answer = ask(service, "/api/v1/cvs/r%61min?lang=de")
    assert answer.status == 301
    again = ask(service, answer.header("Location"))
    assert again.status == 200 and again.header("Content-Language") == "de"


@pytest.mark.parametrize("path", [
    "/api", "/nothing", "/api/v1/nothing", "/api/v1/cvs/ramin/skills/x", "//evil.example", "/api/v2"])
def test_unknown_routes_are_not_redirected(service, path):
    """404 comes before redirects."""
    check_error(ask(service, path), 404, "Not found", {"path": path})


@pytest.mark.parametrize("path", [
    "//evil.example/..", "/%2F/evil.example", "/%5cevil.example", "/api/v1/cvs/%0d%0aSet-Cookie:x",
    "/\\evil.example"])
def test_no_open_redirect(service, path):
    """Nothing a client writes leads elsewhere or into a header."""
    answer = ask(service, path)
    assert answer.status in (400, 404) and answer.header("Location") is None


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A service that insists on https."""
    folder = tmp_path_factory.mktemp("secure")
    write_cvs(folder, SMALL)
    settings = {"SECURE_SSL_REDIRECT": "true", "CORS_ALLOWED_ORIGINS": ORIGINS[0]}
    with running(folder, settings) as started:
        yield started


@pytest.mark.parametrize("target, canonical", [
    ("/api/v1/", "/api/v1/"), ("/api/v1/cvs/", "/api/v1/cvs/"), ("/api/v1", "/api/v1/"),
    ("/api/v1/cvs/mina?lang=de", "/api/v1/cvs/mina/?lang=de"),
    ("/api/v1/cvs/mina/?focus=a+b", "/api/v1/cvs/mina/?focus=a+b"),
    ("/api/v1/openapi.json", "/api/v1/openapi.json"), ("/api/v1/cvs/a-b/", "/api/v1/cvs/a-b/"),
])
@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "App.localhost", "[::1]:80"])
def test_https(secure, target, canonical, host):
    """One 301 to https on the same host, already with the slash."""
    answer = ask(secure, target, host=host)
    assert answer.status == 301
    assert answer.header("Location") == f"https://{host}{canonical}"


@pytest.mark.parametrize("target, status", [
    ("/api/v1/cvs/", 200), ("/api/v1/cvs", 301), ("/nothing", 404), ("/api/v1/cvs/nobody/", 404)])
def test_known_to_be_https(secure, target, status):
    """A request that came by https is answered; its slash redirect stays on the same host."""
    answer = ask(secure, target, headers={"X-Forwarded-Proto": "https"})
    assert answer.status == status
    if status == 301:
        assert answer.header("Location") == "/api/v1/cvs/"


@pytest.mark.parametrize("proto", ["http", "", "httpss", "xhttps"])
def test_not_known_to_be_https(secure, proto):
    """Any other value is not https."""
    assert ask(secure, "/api/v1/cvs/", headers={"X-Forwarded-Proto": proto}).status == 301


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/api/v1/health/"])
@pytest.mark.parametrize("host", ["localhost", "10.1.2.3:8000"])
def test_exempt_from_https(secure, target, host):
    """Health and probe paths are answered as they come, for any host."""
    assert ask(secure, target, host=host).status == 200


def test_order_with_https(secure):
    """Host, method and route are checked before the redirect."""
    check_error(ask(secure, "/api/v1/cvs/", host="evil.example"), 400, "Invalid host")
    assert ask(secure, "/api/v1/cvs/", "POST").status == 405
    check_error(ask(secure, "/nothing"), 404, "Not found", {"path": "/nothing"})


@pytest.mark.parametrize("target", ["/api/v1/cvs/", "/api/v1/cvs"])
def test_redirects_carry_cors(secure, target):
    """A browser follows a redirect only when it carries the headers."""
    answer = ask(secure, target, headers={"Origin": ORIGINS[0]})
    assert answer.status == 301
    assert answer.header("Access-Control-Allow-Origin") == ORIGINS[0]
    assert "origin" in answer.tokens("Vary")
