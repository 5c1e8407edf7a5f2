"""Keep-alive, pipelining, listeners, the end of the service: HTTP/1.1 as a careful user expects."""
import socket
import time

import pytest

from service import wait_until
from wire import Conversation, Malformed, ask, connect, parse_responses, read_to_end, request, talk

TARGETS = ("/api/v1/cvs/", "/api/v1/cvs/ramin/", "/api/v1/cvs/nobody/", "/livez", "/api/v1/cvs",
           "/api/v1/cvs/ramin/skills/", "/api/v1/cvs/mahsa/picture/", "/api/v1/cvs/ramin/?lang=it")


def closing(answer):
    """Whether the answer says that the connection is closed."""
    return (answer.header("Connection") or "").lower() == "close"


def test_keep_alive(service):
    """HTTP/1.1 keeps the connection, after errors with a good head too."""
    with Conversation(service.address) as conversation:
        for target in TARGETS * 3:
            kept = conversation.ask(target)
            assert not closing(kept)
            alone = ask(service, target)
            assert (kept.status, len(kept.body)) == (alone.status, len(alone.body))


@pytest.mark.parametrize("value", ["close", "Close", "keep-alive, close", "close, te"])
def test_close_is_honoured(service, value):
    """`Connection: close` is repeated, and the connection is closed after the answer."""
    data = request("/api/v1/cvs/", headers={"Connection": value}) + request("/api/v1/cvs/")
    answers = parse_responses(talk(service.address, data, half_close=False))
    assert [answer.status for answer in answers] == [200]
    assert closing(answers[0])


def test_http_1_0(service):
    """HTTP/1.0 closes; with `keep-alive` it stays and says so."""
    data = request("/api/v1/cvs/", version="HTTP/1.0")
    answers = parse_responses(talk(service.address, data, half_close=False))
    assert [answer.status for answer in answers] == [200]
    assert answers[0].body == b'{"cvs":["mahsa","ramin"]}'
    data = request("/api/v1/cvs/", version="HTTP/1.0", headers={"Connection": "keep-alive"})
    answers = parse_responses(talk(service.address, data * 2))
    assert len(answers) in (1, 2)
    assert all("keep-alive" in answer.tokens("Connection") for answer in answers[:-1])


def test_pipelined(service):
    """Pipelined requests are answered in their order, HEAD and 304 among them."""
    requests, methods, expected = [], [], []
    for number in range(100):
        method = ("GET", "HEAD", "OPTIONS", "GET", "POST")[number % 5]
        target = TARGETS[number % len(TARGETS)]
        headers = {"X-Request-ID": f"n{number}"}
        if number % 7 == 0:
            headers["If-None-Match"] = "*"
        requests.append(request(target, method, headers=headers))
        methods.append(method)
        expected.append(ask(service, target, method, headers=headers))
    answers = parse_responses(talk(service.address, b"".join(requests)), methods)
    assert [answer.header("X-Request-ID") for answer in answers] == [f"n{n}" for n in range(100)]
    assert [(answer.status, answer.body) for answer in answers] == [
        (answer.status, answer.body) for answer in expected]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_in_pieces(service, size):
    """However the bytes arrive, the answers are the same."""
    data = request("/api/v1/cvs/") + request("/api/v1/cvs/nobody/") + request("/livez")
    pieces = [data[start:start + size] for start in range(0, len(data), size)]
    answers = parse_responses(talk(service.address, pieces))
    assert [answer.status for answer in answers] == [200, 404, 200]


def test_an_empty_line_before_a_request(service):
    """RFC 9112: one empty line before a request line is tolerated."""
    data = b"\r\n" + request("/api/v1/cvs/") + b"\r\n" + request("/livez")
    answers = parse_responses(talk(service.address, data))
    assert [answer.status for answer in answers] == [200, 200]


def test_many_connections_at_once(service):
    """A hundred open connections, each with its own answer."""
    conversations = [Conversation(service.address) for _ in range(100)]
    try:
        for number, conversation in enumerate(conversations):
            conversation.send(request("/api/v1/cvs/", headers={"X-Request-ID": str(number)}))
        for number, conversation in enumerate(conversations):
            assert conversation.answer().header("X-Request-ID") == str(number)
    finally:
        for conversation in conversations:
            conversation.link.close()


def test_a_client_that_leaves(service):
    """Clients that hang up at any point do no harm."""
    data = request("/api/v1/cvs/ramin/")
    for cut in range(0, len(data) + 1, 3):
        with connect(service.address) as link:
            link.sendall(data[:cut])
    assert ask(service, "/api/v1/cvs/").status == 200


def test_a_slow_reader_gets_everything(service):
    """Pipelined answers beyond any socket buffer arrive whole, read late and slowly."""
    count = 200
    with connect(service.address, 10) as link:
        link.sendall(request("/api/v1/cvs/ramin/?lang=fa") * count)
        link.shutdown(socket.SHUT_WR)
        received = bytearray()
        while part := link.recv(20_000):
            received += part
    answers = parse_responses(bytes(received))
    assert len(answers) == count
    assert len({answer.body for answer in answers}) == 1


def test_idle_connections_are_closed(start_service):
    """KEEPALIVE: an idle connection is closed after that many seconds, without a word."""
    service = start_service({"KEEPALIVE": "1"})
    with Conversation(service.address) as conversation:
        assert conversation.ask("/api/v1/cvs/").status == 200
        start = time.monotonic()
        assert conversation.ended()
        assert 0.5 < time.monotonic() - start < 4


def test_several_listeners(start_service, tmp_path):
    """BIND takes several addresses; each is told in a ready line and answers."""
    path = str(tmp_path / "s.sock")
    service = start_service({"BIND": f"127.0.0.1:0,unix:{path},127.0.0.1:0"})
    assert len(set(service.addresses)) == 3 and path in service.addresses
    for address in service.addresses:
        answer = ask(address, "/api/v1/cvs/")
        assert answer.body == b'{"cvs":["mina","omid"]}'


def test_a_busy_neighbour_does_not_block(service):
    """A client that sends half a head keeps nobody else waiting."""
    with connect(service.address) as first, connect(service.address) as second:
        first.sendall(b"GET /api/v1/cvs/ HTTP/1.1\r\nHo")
        second.sendall(b"G")
        start = time.monotonic()
        for _ in range(50):
            assert ask(service, "/api/v1/cvs/").status == 200
        assert time.monotonic() - start < 5


def test_sigterm_ends_it(start_service):
    """SIGTERM: idle connections are closed, nothing more is accepted, exit 0 (asserted by stop)."""
    service = start_service()
    with Conversation(service.address) as conversation:
        assert conversation.ask("/api/v1/cvs/").status == 200
        service.process.terminate()
        assert conversation.buffer + read_to_end(conversation.link, 10) == b""
        assert service.process.wait(10) == 0

    def refused():
        try:
            ask(service.address)
        except (ConnectionError, Malformed):
            return True
        return False

    wait_until(refused)
