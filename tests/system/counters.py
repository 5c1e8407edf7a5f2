"""A client that knows what it has sent and got, to hold the counters against."""
import itertools
import threading
from collections import Counter
from contextlib import contextmanager

from service import PDFS
from wire import connect, read_to_end, request, split_one

OTHER = "_OTHER"  # the methods that are not told apart
# What is asked: method, target, headers, host; and as what it is to be counted: route, status.
KINDS = [
    (("GET", "/api/v1/"), ("/api/v1/", 200)),
    (("GET", "/api/v1/cvs/"), ("/api/v1/cvs/", 200)),
    (("HEAD", "/api/v1/cvs/mina/"), ("/api/v1/cvs/{person}/", 200)),
    (("GET", "/api/v1/cvs/mina/"), ("/api/v1/cvs/{person}/", 200)),
    (("GET", "/api/v1/cvs/omid/?lang=de"), ("/api/v1/cvs/{person}/", 200)),
    (("GET", "/api/v1/cvs/mina/", {"If-None-Match": "*"}), ("/api/v1/cvs/{person}/", 304)),
    (("HEAD", "/api/v1/cvs/mina/", {"If-None-Match": "*"}), ("/api/v1/cvs/{person}/", 304)),
    (("GET", "/api/v1/cvs/mina"), ("/api/v1/cvs/{person}/", 301)),
    (("GET", "/api/v1/cvs/a-b/"), ("/api/v1/cvs/{person}/", 400)),
    (("GET", "/api/v1/cvs/nobody/"), ("/api/v1/cvs/{person}/", 404)),
    (("GET", "/api/v1/cvs/mina/", {"Accept-Encoding": "*;q=0"}), ("/api/v1/cvs/{person}/", 406)),
    (("GET", "/api/v1/cvs/mina/education/"), ("/api/v1/cvs/{person}/{section}/", 200)),
    (("GET", "/api/v1/cvs/ramin/pdf/"), ("/api/v1/cvs/{person}/pdf/", 404)),
    (("GET", "/api/v1/cvs/mina/pdf/"), ("/api/v1/cvs/{person}/pdf/", 200)),
    (("GET", "/api/v1/cvs/mina/pdf/", {"Range": "bytes=0-9"}), ("/api/v1/cvs/{person}/pdf/", 206)),
    (("OPTIONS", "/api/v1/cvs/"), ("/api/v1/cvs/", 204)),
    (("POST", "/api/v1/cvs/"), ("/api/v1/cvs/", 405)),
    (("DELETE", "/api/v1/cvs/mina/"), ("/api/v1/cvs/{person}/", 405)),
    (("PATCH", "/nothing"), ("", 405)),
    (("GET", "/nothing"), ("", 404)),
    (("GET", "/api/v1/cvs/%2e%2e/"), ("", 400)),
    (("GET", "/api/v1/", {}, "evil.example"), ("", 400)),
    (("GET", "/livez"), ("/livez", 200)),
    (("GET", "/readyz"), ("/readyz", 200)),
    (("GET", "/api/v1/openapi.json"), ("/api/v1/openapi.json", 200)),
]
# Heads that are refused, each on a connection of its own: bytes, reason, status, method as counted.
REFUSED = [
    (b"GET /api/v1/ HTTP/1.1\r\n\r\n", "malformed", 400, "GET"),
    (b"G\x01T / HTTP/1.1\r\n\r\n", "malformed", 400, OTHER),
    (request("/api/v1/", "POST", headers={"Content-Length": "x"}), "malformed", 400, "POST"),
    (request("/" + "a" * 5000), "uri_too_long", 414, "GET"),
    (request(headers=[("A", "b")] * 120), "too_large", 431, "GET"),
    (request(version="HTTP/2.0"), "version", 505, "GET"),
]
COUNTED = {"GET", "HEAD", "OPTIONS", "POST"}


class Sent:
    """What clients have sent and got: requests by (method, route, status), heads refused, connections."""

    def __init__(self):
        self.requests, self.refused = Counter(), Counter()
        self.connections = self.unanswered = 0
        self.lock = threading.Lock()

    def count(self, method, route, status):
        """An answer that has come."""
        with self.lock:
            self.requests[method if method in COUNTED else OTHER, route, status] += 1

    def connect(self, address):
        """A connection more."""
        link = connect(address, 10)
        with self.lock:
            self.connections += 1
        return link

    def refuse(self, address, number):
        """Sends a head that is refused."""
        data, reason, status, method = REFUSED[number % len(REFUSED)]
        with self.connect(address) as link:
            link.sendall(data)
            found = split_one(read_to_end(link, 10), method)
        if found is None:
            raise ConnectionResetError("closed without an answer")
        answer, rest = found
        assert (answer.status, rest) == (status, b""), answer
        self.count(method, "", status)
        with self.lock:
            self.refused[reason] += 1


class Asking(threading.Thread):
    """Asks all kinds in turn until told to end, on connections of some requests each."""

    def __init__(self, sent, address, number, patient=False):
        super().__init__(daemon=True)
        self.sent, self.address, self.number, self.patient = sent, address, number, patient
        self.ended = threading.Event()
        self.failure = None
        self.link = None
        self.buffer = b""

    def run(self):
        try:
            for turn in itertools.count(self.number * 7):
                if self.ended.is_set():
                    break
                self.attempt(self.ask, *KINDS[turn % len(KINDS)])
                if turn % 17 == 16:
                    self.attempt(self.sent.refuse, self.address, turn)
                if turn % 41 == 40:
                    self.hang_up()
        except BaseException as error:  # pylint: disable=broad-exception-caught
            self.failure = error
        self.hang_up()

    def attempt(self, action, *arguments):
        """Does it; that a connection ends without an answer is an error, unless the client is a patient one."""
        try:
            action(*arguments)
        except OSError:
            self.hang_up()
            if not self.patient:
                raise
            with self.sent.lock:
                self.sent.unanswered += 1

    def ask(self, asked, counted):
        """One request and its answer, which must have the status that it is to have."""
        if self.link is None:
            self.link = self.sent.connect(self.address)
            self.buffer = b""
        method, target, headers, host = asked + ({}, "localhost")[len(asked) - 2:]
        self.link.sendall(request(target, method, headers=headers, host=host))
        answer = self.answer(method)
        assert answer.status == counted[1], (asked, answer)
        self.sent.count(method, *counted)
        if "close" in answer.tokens("Connection"):
            self.hang_up()

    def answer(self, method):
        """The next answer on the connection."""
        while True:
            found = split_one(self.buffer, method)
            if found:
                answer, self.buffer = found
                return answer
            part = self.link.recv(1 << 16)
            if not part:
                raise ConnectionResetError(f"closed after {len(self.buffer)} bytes of an answer")
            self.buffer += part

    def hang_up(self):
        """Closes the connection, if there is one."""
        if self.link is not None:
            self.link.close()
            self.link = None


@contextmanager
def asking(address, clients=8, patient=False):
    """So many clients ask for the length of a block; what they have sent. `patient`: some may get no answer."""
    sent = Sent()
    threads = [Asking(sent, address, number, patient) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        for thread in threads:
            thread.ended.set()
        for thread in threads:
            thread.join(30)
    for thread in threads:
        assert not thread.is_alive(), "a client waits for ever"
        if thread.failure:
            raise thread.failure


def add_pdf(folder):
    """The PDF that some kinds ask for."""
    (folder / "data/pdfs/mina.pdf").write_bytes(PDFS["ramin.pdf"])
