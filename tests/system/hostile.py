"""Request heads that no client should send: id, bytes and the statuses that may answer them."""

START = b"GET /api/v1/cvs/ HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
BAD, METHOD, LONG, LARGE, VERSION = (400,), (405,), (414,), (431,), (505,)
CONTROLS = (0x00, 0x01, 0x07, 0x08, 0x0B, 0x0C, 0x0E, 0x1B, 0x1F, 0x7F)


def head(*lines, start=START, host=HOST):
    """A head with the lines given behind Host."""
    return start + host + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def get(target, version=b"HTTP/1.1"):
    """A head with another target."""
    return b"GET " + target + b" " + version + b"\r\n" + HOST + b"\r\n"


def post(*lines, version=b"HTTP/1.1"):
    """A POST with the lines given."""
    return head(*lines, start=b"POST /api/v1/cvs/ " + version + b"\r\n")


TRANSFER_ENCODINGS = (
    b"Transfer-Encoding: chunked", b"transfer-encoding: CHUNKED", b"TRANSFER-ENCODING:chunked",
    b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: xchunked", b"Transfer-Encoding:",
    b"Transfer-Encoding: \"chunked\"", b"Transfer-Encoding: chunked;q=1", b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")
MANGLED_ENCODINGS = (
    b"Transfer-Encoding : chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding: chunked\n",
    b"Transfer-Encoding:\x0bchunked", b"Transfer-Encoding:\x00chunked", b"Transfer_Encoding: chunked",
    b"Transfer-Encoding\t: chunked", b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked", b"Transfer-Encoding\r\n: chunked", b"Transfer-Encoding;: chunked",
    b"\xefTransfer-Encoding: chunked")
LENGTHS = (
    b"+5", b"-1", b"-0", b"0x5", b"5 5", b"5,5", b"5, 5", b"0,0", b"", b"1e1", b"5;", b"5.0", b"\"5\"",
    b"\xef\xbc\x95", b"five", b"5\t5", b"0 0", b"99999999999999999999999", b"18446744073709551616")
HOSTS = (
    b"", b" ", b"a b", b"a,b", b"user@localhost", b"user:pw@localhost", b"localhost:http", b"localhost:80a",
    b"localhost:-1", b"localhost:+80", b"localhost:8 0", b"localhost:80:80", b"[::1", b"::1", b"[::g]", b"[]",
    b"[::1]x", b"[::1]:x", b"[1:2:3]", b"[127.0.0.1]", b"]::1[", b"localhost/", b"/localhost",
    b"localhost\\", b"http://localhost", b"localhost?a", b"localhost#a", b"<localhost>", b'"localhost"',
    b"local\xffhost", b"local\xc3\xa9", b"local\x00host", b"local\thost", b"localhost;\x01", b"%zz",
    b"local^host", b"{localhost}", b"local|host", b"local`host", b"localhost, localhost")
TARGETS = (
    b"api/v1/", b"localhost", b"localhost:80", b"?a", b"#a", b"/api/v1/#", b"/api/v1/cvs/#top", b"/?a=#",
    b"/caf\xc3\xa9", b"/\xff", b"/a?\xe2\x82\xac", b"http:/localhost/", b"http:localhost/", b"http://",
    b"http:///api/", b"ftp://localhost/", b"file:///etc/passwd", b"javascript:alert(1)", b"mailto:a@b",
    b"http://user@localhost/", b"http://localhost:x/", b"http://local host/", b"http://[::1/",
    b"http://localhost/#a", b"*", b"**", b"*/", b"@", b"/a b", b"/a\tb", b"", b"\\", b"..")
METHODS = (b"G(T", b"GET{", b'"GET"', b"G,T", b"GE\xe9T", b"G/T", b"GET:", b"G@T", b"G[T]", b"G\\T", b"G;T",
           b"G=T", b"G<T", b"", b"\x16\x03\x01", b"G?T")
VERSIONS = (
    (b"HTTP/2.0", VERSION), (b"HTTP/0.9", VERSION), (b"HTTP/1.2", VERSION), (b"HTTP/3.0", VERSION),
    (b"HTTP/9.9", VERSION), (b"HTTP/0.0", VERSION), (b"HTTP/1.9", VERSION), (b"HTTP/2.1", VERSION),
    (b"http/1.1", BAD), (b"HTTPS/1.1", BAD), (b"HTTP 1.1", BAD), (b"HTTP/", BAD), (b"HTTP/1.", BAD),
    (b"HTTP/.1", BAD), (b"HTTP/1,1", BAD), (b"HTTP/A.B", BAD), (b"HTTP/-1.1", BAD), (b"HTTP/1.1 ", BAD),
    (b"HTTP/1.1\t", BAD), (b" HTTP/1.1", BAD), (b"HTTP/1.1 x", BAD), (b"HTP/1.1", BAD), (b"/1.1", BAD),
    (b"RTSP/1.0", BAD), (b"HTTP\\1.1", BAD), (b"Http/1.1", BAD), (b"HTTP/+1.1", BAD), (b"", BAD),
    (b"HTTP/1", BAD + VERSION), (b"HTTP/11", BAD + VERSION), (b"HTTP/1.10", BAD + VERSION),
    (b"HTTP/01.1", BAD + VERSION), (b"HTTP/1.1.1", BAD + VERSION), (b"HTTP/2", BAD + VERSION))
FIELDS = (
    b"NoColon", b"Space : x", b"Tab\t: x", b": no name", b":", b" : x", b"Under_score: x", b"_: x",
    b"Na(me: x", b"Na{me}: x", b"Na\"me: x", b"Na/me: x", b"Na[me]: x", b"Na@me: x", b"Na,me: x", b"Na;me: x",
    b"Na=me: x", b"Na me: x", b"N\xe9: x", b"A: b\r\n folded", b"A: b\r\n\tfolded", b" leading: x",
    b"\tleading: x", b"A: b\rC: d", b"A: b\nC: d", b"A: b\r", b"A: b\n", b"\r", b"\n", b"A\r\n : b",
    b"A: b\r\n ", b"HTTP/1.1 200 OK", b"Host", b"GET / HTTP/1.1", b"Na\\me: x", b"Na?me: x", b"<a>: x")
FOREIGN = (
    ("TLS client hello", bytes.fromhex("16030100c8010000c40303") + bytes(range(14, 200)), BAD),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD + VERSION),
    ("PROXY protocol", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + head(), BAD),
    ("PROXY protocol 2", b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c" + bytes(12) + head(), BAD),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", BAD), ("SMTP", b"EHLO example.org\r\n", BAD),
    ("FTP", b"USER anonymous\r\n", BAD), ("JSON", b'{"method":"list"}\r\n', BAD),
    ("RTSP", b"OPTIONS rtsp://localhost/ RTSP/1.0\r\n" + HOST, BAD),
    ("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", BAD),
    ("HTTP/0.9", b"GET /api/v1/cvs/\r\n", BAD + VERSION), ("SIP", b"OPTIONS sip:a@b SIP/2.0\r\n" + HOST, BAD),
    ("shell", b"() { :; }; echo x\r\n", BAD), ("zeros", bytes(64), BAD), ("high bytes", b"\xff" * 64, BAD),
    ("memcached", b"stats\r\n", BAD), ("redis", b"*1\r\n$4\r\nPING\r\n", BAD), ("a dot", b".\r\n", BAD))
LIMITS = (
    ("target of 4095", get(b"/" + b"a" * 4094), LONG), ("query of 4095", get(b"/?" + b"a" * 4093), LONG),
    ("absolute of 4095", get(b"http://localhost/" + b"a" * 4078), LONG),
    ("target of 10,000", get(b"/" + b"a" * 10_000), LONG),
    ("target of 1 MB", get(b"/" + b"a" * 1_000_000), LONG),
    ("line that never ends", b"GET /" + b"a" * 20_000, LONG),
    ("1 MB line that never ends", b"GET /" + b"a" * 1_000_000, LONG),
    ("method that never ends", b"G" * 20_000, LONG + BAD),
    ("101 fields", head(*[b"A%d: b" % n for n in range(100)]), LARGE),
    ("1,000 fields", head(*[b"A: b"] * 1000), LARGE),
    ("100,000 fields", head(*[b"A: b"] * 100_000), LARGE),
    ("field of 17 KiB", head(b"A: " + b"b" * 17 * 1024), LARGE),
    ("field name of 17 KiB", head(b"A" * 17 * 1024 + b": b"), LARGE),
    ("17 KiB in 17 fields", head(*[b"A: " + b"b" * 1024] * 17), LARGE),
    ("field that never ends", START + HOST + b"A: " + b"b" * 20_000, LARGE),
    ("1 MB field that never ends", START + HOST + b"A: " + b"b" * 1_000_000, LARGE),
    ("fields that never end", START + HOST + b"A: b\r\n" * 5_000, LARGE))


def control(byte):
    """The byte in each place of a head."""
    mark = bytes([byte])
    return (
        ("method", head(start=b"G" + mark + b"T /api/v1/ HTTP/1.1\r\n")),
        ("target", get(b"/api/v1/" + mark)), ("query", get(b"/api/v1/?a=" + mark)),
        ("version", get(b"/api/v1/", b"HTTP/1." + mark)), ("name", head(b"N" + mark + b": x")),
        ("value", head(b"A: x" + mark + b"y")), ("host", head(host=b"Host: local" + mark + b"host\r\n")),
        ("front", mark + head()))


def table():
    """Every hostile request: (id, bytes, allowed statuses)."""
    for number, line in enumerate(TRANSFER_ENCODINGS):
        yield f"GET with transfer encoding {number}", head(line), BAD
        yield f"GET with transfer encoding {number} and length", head(line, b"Content-Length: 0"), BAD
        yield f"POST with transfer encoding {number} and length", post(b"Content-Length: 5", line), BAD
        yield f"POST 1.0 with transfer encoding {number}", post(line, version=b"HTTP/1.0"), BAD
        yield f"GET 1.0 with transfer encoding {number}", get(b"/", b"HTTP/1.0")[:-2] + line + b"\r\n\r\n", BAD
    for number, line in enumerate(MANGLED_ENCODINGS):
        yield f"GET with mangled encoding {number}", head(line), BAD
        yield f"POST with mangled encoding {number}", post(line, b"Content-Length: 5"), BAD
    for value in LENGTHS:
        for name, make in (("GET", head), ("POST", post)):
            allowed = BAD + METHOD if name == "POST" and value.isdigit() else BAD
            yield f"{name} with length {value!r}", make(b"Content-Length: " + value), allowed
    for first, second in ((b"5", b"5"), (b"0", b"0"), (b"5", b"6"), (b"0", b"5")):
        lines = [b"Content-Length: " + first, b"content-length: " + second]
        yield f"GET with lengths {first} and {second}", head(*lines), BAD
        yield f"POST with lengths {first} and {second}", post(*lines), BAD
    yield "GET with a body", head(b"Content-Length: 5") + b"hello", BAD
    yield "POST with a body", post(b"Content-Length: 5") + b"hello", METHOD
    yield "POST in chunks", post(b"Transfer-Encoding: chunked") + b"0\r\n\r\n", METHOD
    for value in HOSTS:
        yield f"host {value!r}", head(host=b"Host: " + value + b"\r\n"), BAD
    yield "no host", head(host=b""), BAD
    yield "no host in 1.0", b"GET / HTTP/1.0\r\n\r\n", BAD
    yield "two hosts", head(HOST[:-2]), BAD
    yield "two hosts, one empty", head(b"Host:"), BAD
    yield "two different hosts", head(b"hOST: 127.0.0.1"), BAD
    for target in TARGETS:
        yield f"target {target!r}", get(target), BAD
    yield "CONNECT", head(start=b"CONNECT localhost:443 HTTP/1.1\r\n"), BAD
    yield "OPTIONS **", head(start=b"OPTIONS ** HTTP/1.1\r\n"), BAD
    for method in METHODS:
        yield f"method {method!r}", head(start=method + b" /api/v1/ HTTP/1.1\r\n"), BAD
    for version, allowed in VERSIONS:
        yield f"version {version!r}", get(b"/api/v1/", version), allowed
    for separator in (b"\t", b"  ", b"\x0b", b"\x0c", b"\x00", b"\xa0"):
        start = b"GET" + separator + b"/api/v1/" + separator + b"HTTP/1.1\r\n"
        yield f"separator {separator!r}", head(start=start), BAD
    yield "blank before the method", b" " + head(), BAD
    yield "bare LF everywhere", head().replace(b"\r\n", b"\n"), BAD
    yield "bare LF behind the request line", head().replace(b"1.1\r\n", b"1.1\n"), BAD
    yield "bare LF at the end", head()[:-2] + b"\n", BAD
    yield "bare CR everywhere", head().replace(b"\r\n", b"\r") + b"\r\n\r\n", BAD
    yield "LF CR", head().replace(b"\r\n", b"\n\r") + b"\r\n\r\n", BAD
    yield "LF before the method", b"\n" + head(), BAD
    for line in FIELDS:
        yield f"field {line!r}", head(line), BAD
        yield f"field {line!r} before Host", head(HOST[:-2], host=line + b"\r\n"), BAD
    for byte in CONTROLS:
        for place, data in control(byte):
            yield f"byte {byte:#04x} in {place}", data, BAD
    for name, data, allowed in FOREIGN:
        yield name, data + b"\r\n\r\n", allowed
    yield from LIMITS


HOSTILE = list(table())
