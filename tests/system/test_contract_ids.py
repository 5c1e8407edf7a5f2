"""Contract, "ids", and which peers are believed: X-Request-ID and X-Forwarded-*."""
import pytest

from expect import CANONICAL, ERRORS, FRESH_ID
from wire import Conversation, ask, parse_responses, request, talk

GOOD_IDS = ("a", "A.b_c-9", "0" * 64, "x" * 63, "...", "----", "4f9a5c1e-0b7d-4c57-9d1f-2f0a7f6b8c3d")
BAD_IDS = ("", "a b", "a,b", "x" * 65, "a/b", "a:b", "é", "<script>", '"q"', "a\tb", "%41", "a;b", "a+b")
UNTRUSTED = {
    "another address": {"FORWARDED_ALLOW_IPS": "192.0.2.1"},
    "another network": {"FORWARDED_ALLOW_IPS": "192.0.2.0/24,2001:db8::/32"},
    "nobody": {"FORWARDED_ALLOW_IPS": ""},
    "unix sockets only": {"FORWARDED_ALLOW_IPS": "unix"},
}
TRUSTED = {
    "default": {},
    "the address": {"FORWARDED_ALLOW_IPS": "192.0.2.1,127.0.0.1"},
    "its network": {"FORWARDED_ALLOW_IPS": "127.0.0.0/8"},
    "everybody": {"FORWARDED_ALLOW_IPS": "*"},
}


@pytest.mark.parametrize("target", CANONICAL + ERRORS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_fresh_id_on_every_answer(service, target, method):
    """Without one of the caller's own the id is fresh."""
    assert FRESH_ID.fullmatch(ask(service, target, method).header("X-Request-ID"))


def test_fresh_ids_differ(service):
    """No two answers share an id, neither on one connection nor across connections."""
    with Conversation(service.address) as conversation:
        seen = [conversation.ask("/api/v1/cvs/").header("X-Request-ID") for _ in range(200)]
    seen += [ask(service).header("X-Request-ID") for _ in range(100)]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("value", GOOD_IDS)
@pytest.mark.parametrize("target, method, status", [
    ("/api/v1/cvs/", "GET", 200), ("/api/v1/cvs/nobody/", "GET", 404), ("/api/v1/cvs", "GET", 301),
    ("/api/v1/cvs/", "OPTIONS", 204), ("/api/v1/cvs/", "POST", 405)])
def test_the_callers_own_id(service, value, target, method, status):
    """A trusted proxy's id is kept, and repeated in the body of an error."""
    answer = ask(service, target, method, headers={"X-Request-ID": value})
    assert answer.status == status
    assert answer.header("X-Request-ID") == value
    if status >= 400:
        assert answer.json()["error"]["request_id"] == value


@pytest.mark.parametrize("value", BAD_IDS)
def test_an_id_of_another_form(service, value):
    """An id that does not match is replaced by a fresh one."""
    answer = ask(service, "/api/v1/cvs/nobody/", headers={"X-Request-ID": value})
    assert FRESH_ID.fullmatch(answer.header("X-Request-ID"))


def test_two_ids(service):
    """Of two ids none is believed more than the other; the answer has one."""
    answer = ask(service, headers=[("X-Request-ID", "a"), ("X-Request-ID", "b")])
    assert answer.header("X-Request-ID") in ("a", "b") or FRESH_ID.fullmatch(
        answer.header("X-Request-ID"))


def test_not_acceptable_and_not_modified(service):
    """304 and 406 have an id as well."""
    for headers, status in (({"If-None-Match": "*"}, 304), ({"Accept-Encoding": "*;q=0"}, 406)):
        answer = ask(service, "/api/v1/cvs/", headers={"X-Request-ID": "mine", **headers})
        assert (answer.status, answer.header("X-Request-ID")) == (status, "mine")


@pytest.mark.parametrize("data", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nBad Header\r\n\r\n"])
def test_a_refused_head_has_an_id(service, data):
    """Where the head is refused, the id is there too."""
    answers = parse_responses(talk(service.address, data))
    assert len(answers) == 1
    assert answers[0].json()["error"]["request_id"] == answers[0].header("X-Request-ID")


@pytest.mark.parametrize("settings", UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_untrusted_peers_are_ignored(start_service, settings):
    """From an untrusted peer neither the id nor the protocol is believed."""
    service = start_service({**settings, "SECURE_SSL_REDIRECT": "true"})
    headers = {"X-Request-ID": "mine", "X-Forwarded-Proto": "https", "Forwarded": "proto=https"}
    answer = ask(service, "/api/v1/cvs/", headers=headers)
    assert FRESH_ID.fullmatch(answer.header("X-Request-ID"))
    assert answer.status == 301 and answer.header("Location") == "https://localhost/api/v1/cvs/"


@pytest.mark.parametrize("settings", TRUSTED.values(), ids=TRUSTED.keys())
def test_trusted_peers_are_believed(start_service, settings):
    """From a trusted peer both are."""
    service = start_service({**settings, "SECURE_SSL_REDIRECT": "true"})
    headers = {"X-Request-ID": "mine", "X-Forwarded-Proto": "https"}
    answer = ask(service, "/api/v1/cvs/", headers=headers)
    assert answer.header("X-Request-ID") == "mine" and answer.status == 200
    assert ask(service, "/api/v1/cvs/").status == 301


@pytest.mark.parametrize("allowed, believed", [
    (None, True), ("unix", True), ("*", True), ("127.0.0.1", False), ("", False)])
def test_unix_sockets(start_service, tmp_path, allowed, believed):
    """Peers on a unix socket are trusted by default, and wherever `unix` or `*` says so."""
    path = str(tmp_path / "q.sock")
    service = start_service({"BIND": f"unix:{path}", "FORWARDED_ALLOW_IPS": allowed})
    assert service.addresses == [path]
    answer = ask(service, "/api/v1/cvs/", headers={"X-Request-ID": "mine"})
    assert (answer.header("X-Request-ID") == "mine") is believed


def test_another_protocol_header(start_service):
    """SECURE_PROXY_SSL_HEADER says which header, with which value, means https."""
    service = start_service({
        "SECURE_SSL_REDIRECT": "true", "SECURE_PROXY_SSL_HEADER": "X-Scheme: secure"})
    assert ask(service, headers={"X-Scheme": "secure"}).status == 200
    assert ask(service, headers={"X-Scheme": "https"}).status == 301
    assert ask(service, headers={"X-Forwarded-Proto": "https"}).status == 301


@pytest.mark.parametrize("name", ["X-Forwarded-Host", "Forwarded", "X-Host", "X-Forwarded-Server"])
@pytest.mark.parametrize("host, status", [("localhost", 301), ("evil.example", 400)])
def test_the_host_is_never_taken_from_elsewhere(service, name, host, status):
    """Only the request's own host counts, whoever the peer is."""
    value = "host=localhost" if name == "Forwarded" else "localhost"
    data = request("/api/v1/cvs", host=host, headers={name: value})
    answers = parse_responses(talk(service.address, data))
    assert [answer.status for answer in answers] == [status]
