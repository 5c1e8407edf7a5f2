"""Contract, "methods": GET, HEAD and OPTIONS; a body with another closes the connection."""
import pytest

from expect import CANONICAL, ERRORS, PROBES, REDIRECTS, check_error, stable
from wire import Conversation, ask, parse_responses, request, talk

ALLOW = "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("target", CANONICAL + PROBES + REDIRECTS + ERRORS)
@pytest.mark.parametrize("coding", ["identity", "br", "gzip"])
def test_head_equals_get(service, target, coding):
    """The same status and headers, no body."""
    headers = {"Accept-Encoding": coding}
    get = ask(service, target, headers=headers)
    head = ask(service, target, "HEAD", headers=headers)
    changing = ("Content-Length",) if "health" in target else ()
    assert head.status == get.status and head.body == b""
    assert stable(head, changing) == stable(get, changing)
    assert head.names() == get.names()


@pytest.mark.parametrize("target", CANONICAL + PROBES + (
    "/api/v1/cvs/nobody/", "/api/v1/cvs/ramin/hobbies/", "*"))
def test_options(service, target):
    """204 with `Allow` on every route, whoever and whatever it names."""
    answer = ask(service, target, "OPTIONS")
    assert answer.status == 204 and answer.body == b""
    assert answer.header("Allow") == ALLOW


@pytest.mark.parametrize("target", ["/", "/nothing", "/api/v1/nothing/", "/api/v1/cvs/ramin/pdf/x/"])
def test_options_of_no_route(service, target):
    """404 where there is no route."""
    check_error(ask(service, target, "OPTIONS"), 404, "Not found", {"path": target})


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_asterisk_is_for_options(service, method):
    """`*` is a target of OPTIONS alone."""
    answers = parse_responses(talk(service.address, request("*", method), half_close=False), [method])
    assert [answer.status for answer in answers] == [400]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_without_a_body_the_connection_stays(service, method):
    """405, and the next request on the same connection is answered."""
    with Conversation(service.address) as conversation:
        for headers in ({}, {"Content-Length": "0"}):
            answer = conversation.ask("/api/v1/cvs/", method, headers=headers)
            assert answer.status == 405 and answer.header("Allow") == ALLOW
            assert (answer.header("Connection") or "").lower() != "close"
        assert conversation.ask("/api/v1/cvs/").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
@pytest.mark.parametrize("announced, body", [
    ({"Content-Length": "5"}, b"hello"), ({"Content-Length": "44"}, b""),
    ({"Content-Length": "99999999"}, b"hello"), ({"Transfer-Encoding": "chunked"}, b"0\r\n\r\n"),
    ({"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
    ({"Content-Length": "5", "Expect": "100-continue"}, b""),
])
def test_with_a_body_it_is_closed(service, method, announced, body):
    """405, once, and the connection is closed; the body is never read as a request."""
    data = request("/api/v1/cvs/", method, headers=announced) + body
    data += request("/api/v1/cvs/") * 2
    answers = parse_responses(talk(service.address, data, half_close=False), [method])
    assert len(answers) == 1
    detail = {"method": method, "allowed": ["GET", "HEAD", "OPTIONS"]}
    check_error(answers[0], 405, "Method not allowed", detail)
    assert answers[0].header("Allow") == ALLOW
    assert answers[0].header("Connection") == "close"


def test_connect_is_refused(service):
    """An authority is no target here."""
    data = b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n"
    answers = parse_responses(talk(service.address, data, half_close=False))
    assert len(answers) == 1
    check_error(answers[0], 400, "Malformed request")


def test_trace_repeats_nothing(service):
    """TRACE is a method like any other that is not allowed."""
    answer = ask(service, "/api/v1/cvs/", "TRACE", headers={"X-Secret": "s3cr3t"})
    assert answer.status == 405 and b"s3cr3t" not in answer.body
