"""Contract, "host not allowed", and what a Host may look like."""
import pytest

from expect import check_error
from wire import Conversation, ask, request

ALLOWED = (
    "localhost", "LOCALHOST", "LocalHost:80", "app.localhost", "a.b.localhost", "localhost.",
    "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:8000", "testserver", "testserver:1", "localhost:")
REFUSED = (
    "evil.example", "localhost.evil.example", "notlocalhost", "127.0.0.2", "127.0.0.1.evil.example",
    "testserver.evil", "sub.testserver", "[::2]", "[::ffff:127.0.0.1]", "0.0.0.0", "xn--localhost",
    "example.com:80")
ANY_HOST = ("/livez", "/readyz", "/api/v1/health/")


@pytest.mark.parametrize("host", ALLOWED)
def test_allowed(service, host):
    """Compared without port, case and trailing dot; `.localhost` holds its subdomains."""
    assert ask(service, "/api/v1/cvs/", host=host).status == 200


@pytest.mark.parametrize("host", REFUSED)
@pytest.mark.parametrize("target", ["/api/v1/cvs/", "/api/v1/", "/nothing", "/api/v1/cvs"])
def test_refused(service, host, target):
    """400 "Invalid host", without a detail."""
    check_error(ask(service, target, host=host), 400, "Invalid host")


@pytest.mark.parametrize("target", ANY_HOST)
@pytest.mark.parametrize("host", ["evil.example", "10.0.0.7:8000", "localhost"])
@pytest.mark.parametrize("method, status", [("GET", 200), ("HEAD", 200), ("OPTIONS", 204)])
def test_health_and_probes_answer_any_host(service, target, host, method, status):
    """An orchestrator asks by address."""
    assert ask(service, target, method, host=host).status == status


def test_the_connection_stays(service):
    """A refused host is no malformed request: the connection stays open."""
    with Conversation(service.address) as conversation:
        assert conversation.ask("/api/v1/cvs/", host="evil.example").status == 400
        assert conversation.ask("/api/v1/cvs/").status == 200


@pytest.mark.parametrize("target, host, status", [
    ("http://localhost/api/v1/cvs/", "evil.example", 200),
    ("http://localhost:8000/api/v1/cvs/", "localhost", 200),
    ("http://127.0.0.1/api/v1/cvs/?limit=1", "evil.example", 200),
    ("HTTP://LOCALHOST/api/v1/cvs/", "localhost", 200),
    ("http://evil.example/api/v1/cvs/", "localhost", 400),
    ("http://localhost.evil.example/api/v1/cvs/", "localhost", 400),
    ("http://localhost/nothing", "localhost", 404),
    ("http://localhost", "localhost", 404),
])
def test_absolute_form(service, target, host, status):
    """The host of an absolute target replaces the header's."""
    answer = ask(service, target, host=host)
    assert answer.status == status
    if status == 400:
        check_error(answer, 400, "Invalid host")


def test_absolute_form_still_needs_one_host_header(service):
    """Exactly one Host, whatever the form of the target."""
    with Conversation(service.address) as conversation:
        conversation.send(request("http://localhost/api/v1/", host=None))
        check_error(conversation.answer(), 400, "Malformed request")
        assert conversation.ended()


@pytest.mark.parametrize("hosts, good, bad", [
    (".example.com,api.example.org",
     ("example.com", "www.example.com", "a.b.example.com", "API.example.org:443"),
     ("example.org", "www.api.example.org", "badexample.com", "localhost", "127.0.0.1")),
    ("192.0.2.7,[2001:db8::1]", ("192.0.2.7:80", "[2001:db8::1]:80", "[2001:DB8::1]"),
     ("192.0.2.70", "[2001:db8::2]", "localhost")),
])
def test_configured_hosts(start_service, hosts, good, bad):
    """ALLOWED_HOSTS as in Django: exact names, and `.name` with its subdomains."""
    service = start_service({"ALLOWED_HOSTS": hosts})
    for host in good:
        assert ask(service, "/api/v1/cvs/", host=host).status == 200, host
    for host in bad:
        check_error(ask(service, "/api/v1/cvs/", host=host), 400, "Invalid host")
