"""Talks HTTP over bare sockets, so that a test sees every byte of an answer."""
import json
import re
import socket
import time
from typing import NamedTuple

DEADLINE = 5.0
STATUS_LINE = re.compile(r"HTTP/1\.1 ([1-5][0-9][0-9]) [ -~]*")
HEADER_LINE = re.compile(r"([!#$%&'*+.^`|~0-9A-Za-z-]+): ([\t -~\x80-\xff]*)")
BODILESS = (204, 304)


class Malformed(AssertionError):
    """The service sent something that is not a well-formed answer."""


class StillOpen(AssertionError):
    """The service did not close the connection in time."""


class Answer(NamedTuple):
    """One answer: status, headers in their order and spelling, raw body."""

    status: int
    headers: list
    body: bytes

    def all(self, name):
        """Every value of the header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        """The one value of the header, or None; two are an error."""
        values = self.all(name)
        assert len(values) < 2, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None

    def tokens(self, name):
        """The members of a comma list, in lower case."""
        joined = ",".join(self.all(name)).lower()
        return {token.strip() for token in joined.split(",") if token.strip()}

    def names(self):
        """The names of all headers, in lower case."""
        return {key.lower() for key, _ in self.headers}

    def json(self):
        """The body as JSON; it must be UTF-8."""
        return json.loads(self.body.decode("utf-8"))


def read_head(head):
    """Status and headers of the bytes before the empty line, strictly."""
    lines = head.decode("latin-1").split("\r\n")
    start = STATUS_LINE.fullmatch(lines[0])
    if not start:
        raise Malformed(f"status line {lines[0]!r}")
    headers = []
    for line in lines[1:]:
        field = HEADER_LINE.fullmatch(line)
        if not field or field[2] != field[2].strip():
            raise Malformed(f"header line {line!r}")
        headers.append((field[1], field[2]))
    return int(start[1]), headers


def body_length(status, headers, method):
    """How many bytes follow the head, from `Content-Length` alone."""
    names = [name.lower() for name, _ in headers]
    if "transfer-encoding" in names:
        raise Malformed("Transfer-Encoding in an answer")
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    if len(lengths) > 1 or any(not re.fullmatch("[0-9]+", length) for length in lengths):
        raise Malformed(f"Content-Length {lengths}")
    if status == 204 and lengths:
        raise Malformed("Content-Length in a 204")
    if method == "HEAD" or status in BODILESS:
        return 0
    if not lengths:
        raise Malformed(f"no Content-Length in a {status}")
    return int(lengths[0])


def split_one(data, method="GET"):
    """The first answer in the bytes and what follows; None while incomplete."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    status, headers = read_head(head)
    length = body_length(status, headers, method)
    if len(rest) < length:
        return None
    return Answer(status, headers, rest[:length]), rest[length:]


def parse_responses(data, methods=()):
    """All answers in the bytes; `methods` are those of the requests, GET where unsaid."""
    answers = []
    while data:
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        found = split_one(data, method)
        if found is None:
            raise Malformed(f"answer {len(answers) + 1} is cut off: {data[:300]!r}")
        answer, data = found
        answers.append(answer)
    return answers


def connect(address, deadline=DEADLINE):
    """A connected socket; a string is the path of a unix socket."""
    if isinstance(address, str):
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(deadline)
        link.connect(address)
        return link
    link = socket.create_connection(address, timeout=deadline)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def send_pieces(link, pieces, half_close):
    """Sends piece by piece; a service that has already hung up is no error here."""
    try:
        for piece in pieces:
            link.sendall(piece)
        if half_close:
            link.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass


def read_to_end(link, deadline=DEADLINE, allow_reset=False):
    """Everything until the service closes; raises StillOpen when it does not."""
    received = bytearray()
    end = time.monotonic() + deadline
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise StillOpen(f"not closed within {deadline} s, received {bytes(received[:300])!r}")
        link.settimeout(left)
        try:
            part = link.recv(1 << 16)
        except socket.timeout:
            continue
        except ConnectionResetError:
            if allow_reset:
                return bytes(received)
            raise
        if not part:
            return bytes(received)
        received += part


def talk(address, data, half_close=True, deadline=DEADLINE, allow_reset=False):
    """Sends bytes (or a list of pieces), reads until the service closes, returns all."""
    pieces = [data] if isinstance(data, (bytes, bytearray)) else data
    with connect(address, deadline) as link:
        send_pieces(link, pieces, half_close)
        return read_to_end(link, deadline, allow_reset)


def pairs(headers):
    """Headers given as a dict or as a list of pairs, as a list of pairs."""
    return list(headers.items()) if isinstance(headers, dict) else list(headers)


def request(target="/api/v1/", method="GET", headers=(), host="localhost", version="HTTP/1.1"):
    """The bytes of a request without a body."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in pairs(headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Conversation:
    """One connection on which answers are read one at a time."""

    def __init__(self, address, deadline=DEADLINE):
        self.link = connect(address, deadline)
        self.deadline = deadline
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()

    def send(self, data):
        """Sends the bytes as they are."""
        self.link.sendall(data)

    def answer(self, method="GET"):
        """The next answer; the bytes behind it stay for the one after."""
        end = time.monotonic() + self.deadline
        while True:
            found = split_one(self.buffer, method)
            if found:
                answer, self.buffer = found
                return answer
            self.link.settimeout(max(0.001, end - time.monotonic()))
            part = self.link.recv(1 << 16)
            if not part:
                raise Malformed(f"closed in the middle of an answer: {self.buffer[:300]!r}")
            self.buffer += part

    def ask(self, target, method="GET", **more):
        """Sends one request and reads its answer."""
        self.send(request(target, method, **more))
        return self.answer(method)

    def ended(self):
        """True when the service closes and sends nothing more before."""
        return self.buffer + read_to_end(self.link, self.deadline) == b""


def ask(address, target="/api/v1/", method="GET", **more):
    """One request on a connection of its own; exactly one answer."""
    with Conversation(getattr(address, "address", address)) as conversation:
        answer = conversation.ask(target, method, **more)
        assert conversation.buffer == b"", "bytes behind the answer"
        return answer
