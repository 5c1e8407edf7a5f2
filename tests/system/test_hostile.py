"""What it must survive: one answer to one request, whatever its head, and then a closed connection."""
import json
import string
import threading
import time

import pytest

from expect import check_error_headers
from hostile import HOSTILE, head
from wire import Malformed, ask, connect, parse_responses, read_to_end, request, talk

GOOD = request("/api/v1/cvs/")
IDS = [case[0] for case in HOSTILE]
PHRASES = {400: "Malformed request", 405: "Method not allowed", 408: "Request Timeout", 414: "URI Too Long",
           431: "Request Header Fields Too Large", 505: "HTTP Version Not Supported"}
TOKEN = set(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")
PATHS = (
    "/..", "/../", "/./", "/api/v1/../v1/", "/api/v1/cvs/..", "/api/v1/cvs/../../../etc/passwd",
    "/api/v1/cvs/%2e%2e/", "/api/v1/cvs/%2E%2E/pdf/", "/api/v1/cvs/.%2e/", "/api/v1/cvs/%2e/",
    "/api/v1/cvs/..%2f..%2fetc%2fpasswd/", "/api/v1/cvs/%2fetc%2fpasswd/", "/api/v1/cvs/ramin%2fpdf/",
    "/api/v1/cvs/ramin%5c/", "/api/v1/cvs/..%5c..%5c/", "/api/v1/cvs/..\\..\\/", "/\\", "/api\\v1\\cvs\\",
    "/api/v1/cvs/%00/", "/api/v1/cvs/ramin%00/", "/api/v1/cvs/ramin%00.json/", "/api/v1/cvs/ramin/%00/",
    "//", "///etc/passwd", "//api/v1/cvs/", "/api//v1/cvs/", "/api/v1/cvs//", "/api/v1/cvs//ramin/",
    "/api/v1/cvs/ramin//", "/api/v1/cvs/ramin//pdf/", "/api/v1/cvs/%252e%252e/", "/api/v1/cvs/%c0%ae%c0%ae/",
    "/api/v1/cvs/%e0%80%ae/", "/api/v1/cvs/%uff0e/", "/api/v1/cvs/..;/", "/api/v1/cvs/..;a=b/",
    "/api/v1/cvs/ramin.json/", "/api/v1/cvs/ramin.json", "/data/cvs/ramin.json", "/api/v1/cvs/SHA256SUMS/",
    "/api/v1/cvs/ramin/..", "/api/v1/cvs/ramin/../mahsa/", "/api/v1/cvs/ramin/%2e%2e/mahsa/",
    "/api/v1/cvs/ramin/picture/../../x/", "/api/v1/cvs/%0d%0aX-Evil:%20y/", "/api/v1/cvs/%0a/", "/api/v1/cvs/%7f/",
    "/api/v1/cvs/ramin/%2e%2e%2fpdf/", "/api/v1/cvs/~root/", "/api/v1/cvs/$HOME/", "/api/v1/cvs/*/",
    "/.git/config", "/.env", "/%2e%2e/%2e%2e/etc/passwd", "/cgi-bin/.%2e/.%2e/bin/sh", "/api/v1/cvs/%EF%BC%8E/")


def check_closing_refusal(received, allowed):
    """Exactly one well-formed error that says it closes, with its standard phrase."""
    answers = parse_responses(received)
    assert len(answers) == 1, [answer.status for answer in answers]
    answer = answers[0]
    assert answer.status in allowed
    assert answer.header("Connection") == "close"
    check_error_headers(answer)
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (answer.status, PHRASES[answer.status])
    assert error["request_id"] == answer.header("X-Request-ID")
    return answer


@pytest.mark.parametrize("_, data, allowed", HOSTILE, ids=IDS)
@pytest.mark.parametrize("behind", [b"", GOOD, GOOD * 3], ids=["alone", "before one", "before three"])
def test_one_refusal_and_closed(service, _, data, allowed, behind):
    """The client keeps its side open; the service answers once and closes."""
    large = len(data) > 60_000
    received = talk(service.address, data + behind, half_close=False, allow_reset=large)
    check_closing_refusal(received, allowed)


@pytest.mark.parametrize("_, data, allowed", HOSTILE[::5], ids=IDS[::5])
def test_one_refusal_behind_a_good_request(service, _, data, allowed):
    """A good request before it is answered first."""
    large = len(data) > 60_000
    received = talk(service.address, GOOD + data + GOOD, half_close=False, allow_reset=large)
    first = parse_responses(received[:received.index(b"HTTP/1.1 ", 1)])
    assert [answer.status for answer in first] == [200]
    check_closing_refusal(received[received.index(b"HTTP/1.1 ", 1):], allowed)


def test_limits_are_not_lower(service):
    """The longest allowed target and head are answered."""
    assert ask(service, "/" + "a" * 4093).status == 404
    assert ask(service, "/api/v1/cvs/?" + "a" * (4094 - 13)).status == 200
    assert ask(service, headers=[("A", "b")] * 99).status == 200
    assert ask(service, headers={"A": "b" * 15_000}).status == 200


@pytest.mark.parametrize("path", PATHS)
def test_path_tricks(service, path):
    """400 or 404 and nothing of any file; the head was good, so the connection stays."""
    received = talk(service.address, request(path) + GOOD)
    answers = parse_responses(received)
    assert len(answers) == 2
    assert answers[0].status in (301, 400, 404)
    if answers[0].status == 301:
        again = ask(service, answers[0].header("Location"))
        assert again.status in (400, 404)
    for inside in (b"root:", b"basics", b"mahsa.json", b"X-Evil: y"):
        assert inside not in received[:received.index(b"HTTP/1.1 200")]
    assert answers[1].body == b'{"cvs":["mahsa","ramin"]}'


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.2", "[::2]", "a" * 250])
def test_foreign_hosts(service, host):
    """A well-formed host that is not allowed: as many answers as requests."""
    data = (request("/api/v1/cvs/", host=host) + GOOD) * 3
    statuses = [answer.status for answer in parse_responses(talk(service.address, data))]
    assert statuses == [400, 200] * 3


def expected_of_byte(place, byte):
    """The statuses that may answer a head with this byte in this place."""
    mark = chr(byte)
    printable = 0x21 <= byte <= 0x7E
    rules = {
        "method": (200,) if mark == "E" else (405,) if mark in TOKEN else (400,),
        "path": (400, 404) if printable and mark not in "#" else (400,),
        "query": (400,) if mark in "%#" or not printable else (200,),
        "name": (200,) if mark in TOKEN - {"_"} or mark == ":" else (400,),
        "value": (200,) if 0x20 <= byte <= 0x7E or mark == "\t" else (200, 400) if byte >= 0x80 else (400,),
        "host": ((200,) if mark.isascii() and mark.isalnum() or mark in "-." else
                 (200, 400) if printable and mark not in ',@/\\"<>^`{|}[]:?#%' else (400,)),
        "minor": (200,) if mark in "01" else (505,) if mark in string.digits else (400,),
        "major": (200,) if mark == "1" else (505,) if mark in string.digits else (400,),
        "front": (405,) if mark in TOKEN else (400,),
    }
    return rules[place]


def head_with_byte(place, byte):
    """A head with the byte in the place named."""
    mark = bytes([byte])
    start = {
        "method": b"G%cT /api/v1/cvs/ HTTP/1.1\r\n", "path": b"GET /api/v1/nothing%c/ HTTP/1.1\r\n",
        "query": b"GET /api/v1/cvs/?x=a%cb HTTP/1.1\r\n", "minor": b"GET /api/v1/cvs/ HTTP/1.%c\r\n",
        "major": b"GET /api/v1/cvs/ HTTP/%c.1\r\n", "front": b"%cGET /api/v1/cvs/ HTTP/1.1\r\n",
    }.get(place)
    if start:
        return head(start=start % mark)
    if place == "host":
        return head(host=b"Host: a" + mark + b"b.localhost\r\n")
    return head(b"X-N" + mark + b"n: x" if place == "name" else b"X-Name: a" + mark + b"b")


@pytest.mark.parametrize("place", [
    "method", "path", "query", "name", "value", "host", "minor", "major", "front"])
def test_every_byte(service, place):
    """Bytes 0–255 in each place: one well-formed answer to one request, the one that is due."""
    wrong = []
    for byte in range(256):
        received = talk(service.address, head_with_byte(place, byte))
        try:
            statuses = [answer.status for answer in parse_responses(received)]
        except Malformed as error:
            statuses = [str(error)]
        if len(statuses) != 1 or statuses[0] not in expected_of_byte(place, byte):
            wrong.append((f"{byte:#04x}", statuses, expected_of_byte(place, byte)))
    assert not wrong
    assert ask(service, "/livez").status == 200


@pytest.mark.parametrize("bad", HOSTILE[:12] + HOSTILE[-120:-20:4], ids=lambda case: case[0])
def test_a_bad_one_among_a_hundred(service, bad):
    """Pipelined 100 requests with a bad one in the middle: answered in order up to it, then closed."""
    before = [request("/api/v1/cvs/nobody/", headers={"X-Request-ID": str(n)}) for n in range(50)]
    data = b"".join(before) + bad[1] + GOOD * 49
    received = talk(service.address, data, half_close=False)
    answers = parse_responses(received)
    assert [answer.header("X-Request-ID") for answer in answers[:50]] == [str(n) for n in range(50)]
    assert {answer.status for answer in answers[:50]} == {404}
    assert [answer.status for answer in answers[50:]] in ([status] for status in bad[2])
    assert answers[50].header("Connection") == "close"


@pytest.mark.parametrize("pieces", [1, 3, 1000])
def test_refusals_in_pieces(service, pieces):
    """The same refusals however the bytes arrive."""
    for _, data, allowed in HOSTILE[::25]:
        if len(data) < 2000:
            parts = [data[start:start + pieces] for start in range(0, len(data), pieces)]
            check_closing_refusal(talk(service.address, parts, half_close=False), allowed)


class Dripper(threading.Thread):
    """Sends the first bytes at once, then one more byte a while, and never ends the head."""

    def __init__(self, address, first, drip):
        super().__init__(daemon=True)
        self.link = connect(address, 20)
        self.first, self.drip = first, drip
        self.received, self.seconds = None, None

    def run(self):
        start = time.monotonic()
        closed = threading.Event()
        sender = threading.Thread(target=self.send, args=(closed,), daemon=True)
        sender.start()
        self.received = read_to_end(self.link, 20, allow_reset=True)
        self.seconds = time.monotonic() - start
        closed.set()
        sender.join()
        self.link.close()

    def send(self, closed):
        try:
            self.link.sendall(self.first)
            while not closed.wait(0.4):
                self.link.sendall(self.drip)
        except OSError:
            pass


SLOW = {
    "request line": (b"GET /", b"a", 0, (408,)), "fields": (GOOD[:-2], b"A: b\r\n", 0, (408,)),
    "field value": (GOOD[:-2] + b"A: ", b"b", 0, (408,)), "all but the end": (GOOD[:-1], b"", 0, (408,)),
    "nothing more": (b"G", b"", 0, (408,)), "second request": (GOOD + b"GET /", b"a", 1, (408,)),
    "TLS client hello": (bytes.fromhex("16030100c8010000c40303") + bytes(range(14, 200)), b"", 0, (400, 408)),
}


def test_slow_heads(service):
    """A head that is not complete after ten seconds: 408, and closed."""
    drippers = {name: Dripper(service.address, case[0], case[1]) for name, case in SLOW.items()}
    silent = connect(service.address, 20)
    for dripper in drippers.values():
        dripper.start()
    for name, dripper in drippers.items():
        dripper.join(20)
        before, allowed = SLOW[name][2:]
        answers = parse_responses(dripper.received)
        assert [answer.status for answer in answers[:before]] == [200] * before, name
        assert len(answers) == before + 1 and answers[-1].status in allowed, name
        assert answers[-1].header("Connection") == "close", name
        assert answers[-1].status == 400 or 8 < dripper.seconds < 14, (name, dripper.seconds)
    with silent:
        received = read_to_end(silent, 10)
    assert [answer.status for answer in parse_responses(received)] in ([], [408])
    assert ask(service, "/livez").status == 200


def test_a_crowd_of_hostile_clients(service):
    """Many at once, some hanging up early: the service goes on, with the same workers."""
    links = []
    for number, (_, data, _) in enumerate(HOSTILE[:300]):
        link = connect(service.address)
        link.sendall(data[:max(1, len(data) - number % 7)])
        if number % 3:
            links.append(link)
        else:
            link.close()
    assert ask(service, "/api/v1/cvs/").status == 200
    for link in links:
        link.close()
    assert json.loads(ask(service, "/api/v1/health/").body)["status"] == "healthy"
