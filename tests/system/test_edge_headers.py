"""Every answer at the edge, good, bad or nginx's own, has the security headers and the form that was asked for."""
import json
import re
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from edge import edge_before
from service import ORIGINS
from upstream import response, upstream
from wire import read_to_end

SECURITY = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Robots-Tag": "noindex, nofollow",
}
API_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# Target, method, further headers, status, and how the body comes.
ANSWERS = [
    ("/api/v1/", "GET", {}, 200, "json"), ("/api/v1/cvs/", "GET", {}, 200, "json"), ("/api/v1/cvs/ramin/", "GET", {}, 200, "json"),
    ("/api/v1/cvs/ramin/skills/?lang=fa", "GET", {}, 200, "json"), ("/api/v1/health/", "GET", {}, 200, "json"),
    ("/api/v1/openapi.json", "GET", {}, 200, "json"), ("/api/v1/cvs/ramin", "GET", {}, 301, None),
    ("/api/v1/cvs/", "OPTIONS", {}, 204, None), ("/api/v1/cvs/nobody/", "GET", {}, 404, "error"),
    ("/api/v1/nothing/", "GET", {}, 404, "error"), ("/api/nothing", "GET", {}, 404, "error"),
    ("/api/v1/cvs/ramin/?lang=xx", "GET", {}, 400, "error"), ("/api/v1/cvs/?limit=0", "GET", {}, 400, "error"),
    ("/api/v1/cvs/", "POST", {}, 405, "error"), ("/api/v1/cvs/", "DELETE", {}, 405, "error"), ("/api/v1/cvs/", "TRACE", {}, 405, "error"),
    ("/api/v1/cvs/", "GET", {"Content-Length": "5"}, 400, "error"),
    ("/api/v1/cvs/", "POST", {"Content-Length": "5"}, 405, "error"),
    ("/api/v1/cvs/", "GET", {"Transfer-Encoding": "chunked"}, 400, "error"),
    ("/api/v1/cvs/", "GET", {"X": "y" * 9000}, 431, "error"), ("/api/v1/cvs/?x=" + "y" * 9000, "GET", {}, 414, "error"),
    ("/api/v1/cvs/?x=" + "y" * 5000, "GET", {}, 414, "error"),
    ("/api/v1/cvs/ramin/pdf/", "GET", {"Range": "bytes=9999999-"}, 416, "error"),
    ("/api/v1/cvs/ramin/", "GET", {"Accept-Encoding": "*;q=0"}, 406, "error"),
    ("/api/v1/cvs/ramin/pdf/", "GET", {}, 200, "media"), ("/api/v1/cvs/ramin/pdf/", "GET", {"Range": "bytes=0-4"}, 206, "media"),
    ("/api/v1/cvs/ramin/picture/", "GET", {}, 200, "media"),
    ("/", "GET", {}, 200, "page"), ("/docs/", "GET", {}, 200, "page"), ("/docs", "GET", {}, 301, "page"),
    ("/robots.txt", "GET", {}, 200, "page"), ("/.well-known/security.txt", "GET", {}, 200, "page"),
    ("/nothing", "GET", {}, 404, "page error"), ("/error.html", "GET", {}, 404, "page error"), ("/livez", "GET", {}, 404, "page error"),
    ("/readyz", "GET", {}, 404, "page error"), ("/metrics", "GET", {}, 404, "page error"), ("/static/", "GET", {}, 403, "page error"),
    ("/", "POST", {}, 405, "page error"), ("/", "GET", {"Content-Length": "1"}, 400, "page error"),
    ("/", "OPTIONS", {}, 204, "page"), ("/docs/", "OPTIONS", {}, 204, "page"), ("/static/manifest.json", "GET", {}, 200, "page"),
    ("/api/v1/cvs/ramin/", "GET", {"If-Match": '"x"'}, 200, "json"), ("/api/v1/cvs/a#b", "GET", {}, 400, "error"),
    ("/api/v1/cvs/", "GET", {"User-Agent": "a\x01b"}, 400, "error"), ("/api", "GET", {}, 404, "error"),
    ("/api/v1/cvs/a%7Clong/", "GET", {}, 400, "error"), ("/api/v1/a%7Clong", "GET", {}, 404, "error"),
    ("/api/v1/health/", "GET", {name: "x" * 7000 for name in ("User-Agent", "If-None-Match", "Range")}, 431, "error"),
    ("/_error/api", "GET", {}, 404, "error"), ("/_error/api", "POST", {}, 405, "error"),
    ("/nothing", "HEAD", {}, 404, None), ("/static/manifest.json", "GET", {"Range": "bytes=9999999-"}, 416, "page"),
    ("/static/none.js", "GET", {}, 404, "page error"), ("/.git/config", "GET", {}, 404, "page error"),
]


def check_headers(answer, kind="json", secure=True, media=False):
    """All that an answer must have, whatever it is."""
    for name, value in SECURITY.items():
        assert answer.header(name) == (value if secure or name != "Strict-Transport-Security" else None), name
    assert "camera=()" in answer.header("Permissions-Policy")
    assert answer.header("Server") is None and answer.header("X-Powered-By") is None
    assert re.fullmatch("[0-9a-f]{32}", answer.header("X-Request-ID"))
    assert answer.header("Cross-Origin-Resource-Policy") == ("cross-origin" if media else "same-origin")
    policy = answer.header("Content-Security-Policy")
    if kind and kind.startswith("page"):
        assert "unsafe" not in policy and "http" not in policy and policy.startswith("default-src 'none'; script-src 'self'")
    elif kind:
        assert policy == API_CSP
    assert answer.header("Date")


def check_error(answer, status):
    """An error in the API's form, which names the request."""
    assert answer.header("Content-Type") == "application/json" and answer.header("Cache-Control") == "no-store"
    error = answer.json()["error"]
    assert error["code"] == status and error["message"] and error["request_id"] == answer.header("X-Request-ID")


@pytest.mark.parametrize("target,method,headers,status,kind", ANSWERS,
                         ids=[f"{number}-{row[1]}-{row[0][:40]}-{row[3]}" for number, row in enumerate(ANSWERS)])
def test_every_answer(stack, target, method, headers, status, kind):
    """Status, form and headers."""
    answer = stack.ask(target, method, headers)
    assert answer.status == status, answer
    check_headers(answer, kind, media="/pdf/" in target or "/picture/" in target)
    if kind == "error":
        check_error(answer, status)
    elif kind == "page error":
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        assert answer.header("Cache-Control") == "no-store"
        text = answer.body.decode("utf-8")
        assert str(status) in text and answer.header("X-Request-ID") in text and "<!--#" not in text
    if status == 405:
        assert answer.header("Allow") == "GET, HEAD, OPTIONS"
        if kind == "error":
            assert answer.json()["error"]["detail"] == {"method": method, "allowed": ["GET", "HEAD", "OPTIONS"]}
    if headers.keys() & {"Content-Length", "Transfer-Encoding"}:
        assert answer.header("Connection") == "close", "what follows must not be read as a request"


def test_head_has_what_get_has(stack):
    """The same headers but for the request's id and the cache's state."""
    for target in ("/api/v1/cvs/ramin/", "/api/v1/cvs/ramin/pdf/", "/", "/nothing"):
        get, head = stack.ask(target), stack.ask(target, "HEAD")
        def told(answer):
            return sorted((name.lower(), value) for name, value in answer.headers if name.lower() not in
                          ("x-request-id", "x-cache", "date", "transfer-encoding", "connection", "content-length", "accept-ranges"))
        assert head.status == get.status and head.body == b"" and told(head) == told(get), target


PLACES = ["/api/v1/", "/api/v1/openapi.json", "/api/v1/cvs/", "/api/v1/cvs/mina/", "/api/v1/cvs/mina/skills/?lang=fa", "/api/v1/cvs/mina/pdf/",
          "/api/v1/cvs/mina/picture/", "/api/v1/cvs/mina/?focus=x", "/api/v1/cvs/?x=1", "/api/v1/health/", "/api/v1/cvs/nobody/"]


@pytest.mark.parametrize("status,line", [(500, "500 Internal Server Error"), (502, None), (503, "503 Service Unavailable"), (504, "hangs")])
def test_a_failing_service(tmp_path, site, status, line):
    """Whatever it does in every place of the API: our form, where it says nothing itself, and every header."""
    over = threading.Event()

    def answer(_):
        if line == "hangs":
            over.wait(20)
        return line and response(b'{"error":{}}', line, Retry_After="5")

    (tmp_path / "state").mkdir()
    with upstream(tmp_path / "query.sock", answer), edge_before(tmp_path, site, {"RATE_LIMIT": "off"}) as edge:
        with ThreadPoolExecutor(len(PLACES)) as pool:
            answers = list(pool.map(edge.ask, PLACES))
        over.set()
    for target, told in zip(PLACES, answers):
        assert told.status == status, target
        check_headers(told, media="/pdf/" in target or "/picture/" in target)
        if status in (502, 504): # else it says something itself
            check_error(told, status)
        assert status == 500 or told.header("Retry-After") == "5"


def test_not_modified_and_refused(stack):
    """304 of nginx's and of the service's, and of files; 429 is seen to with the limit."""
    for target in ("/api/v1/cvs/ramin/", "/api/v1/cvs/ramin/?x=1", "/api/v1/cvs/ramin/picture/", "/", "/static/manifest.json"):
        first = stack.ask(target)
        answer = stack.ask(target, If_None_Match=first.header("ETag"))
        assert (answer.status, answer.body) == (304, b""), target
        check_headers(answer, "page" if not target.startswith("/api/") else "json", media="/picture/" in target)


BROKEN = [
    (b"GET / HTTP/3.5\r\nHost: localhost\r\n\r\n", 505), (b"GARBAGE\r\n\r\n", 400), (b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /api/v1/ HTTP/1.1\r\n\r\n", 400), (b"GET /api/v1/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /api/v1/ HTTP/1.1\r\nHost: local host\r\n\r\n", 400),
    (b"GET /api/v1/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400),
    (b"GET /api/v1/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET /api/v1/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400), (b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400), (b"GET " + b"/" + b"a" * 70000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 900) for i in range(60)) + b"Host: localhost\r\n\r\n", 431),
]


@pytest.mark.parametrize("data,status", BROKEN, ids=[f"{data[:20]!r}-{status}" for data, status in BROKEN])
@pytest.mark.parametrize("tls", [True, False])
def test_errors_before_a_host_is_known(stack, data, status, tls):
    """They come in a form of ours too, with the headers, and the connection is closed."""
    told = stack.talk(data, tls)
    head, _, body = told.partition(b"\r\n\r\n")
    assert re.match(rb"HTTP/1\.1 %d " % status, head), told[:300]
    assert told.count(b"HTTP/1.1 ") == 1 and b"nginx" not in told.lower()
    assert b"X-Content-Type-Options: nosniff" in head and b"Content-Security-Policy: default-src 'none'" in head
    if b"application/json" in head:
        assert json.loads(body)["error"]["code"] == status


def test_bytes_that_the_service_would_not_name(stack):
    """It refuses them before it knows the request's id; nginx does so in its stead."""
    told = stack.talk(b"GET /api/v1/a\xff HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, body = told.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and f"X-Request-ID: {json.loads(body)['error']['request_id']}\r\n".encode() in head + b"\r\n"


def test_redirect_to_https(stack):
    """Host and query are kept; HSTS is not sent without TLS (RFC 6797 7.2)."""
    told = stack.talk(b"GET /api/v1/cvs/ramin/?lang=de HTTP/1.1\r\nHost: LocalHost:8080\r\nConnection: close\r\n\r\n", tls=False)
    assert told.startswith(b"HTTP/1.1 301 ")
    assert b"\r\nLocation: https://localhost:%d/api/v1/cvs/ramin/?lang=de\r\n" % stack.https in told
    assert b"Strict-Transport-Security" not in told and b"nosniff" in told


@pytest.mark.parametrize("line,body,status", [
    (b"GET /api/v1/", b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", 400), (b"GET /", b"Content-Length: 1\r\n\r\nx", 400),
    (b"GET /", b"Content-Length: 5\r\n\r\nhello", 400), (b"POST /", b"Content-Length: 1\r\n\r\nx", 405), (b"DELETE /", b"\r\n", 405),
    (b'GET /\xff"<x>', b"\r\n", 400), (b"GET /" + b"a" * 5000, b"\r\n", 414)])
def test_refused_without_tls_too(stack, line, body, status):
    """Not redirected; behind a body that nobody reads the connection ends."""
    told = stack.talk(line + b" HTTP/1.1\r\nHost: localhost\r\n" + (body if b"\r\n\r\n" in body else b"Connection: close\r\n" + body) +
                      b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", tls=False)
    head = told.partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 %d " % status) and told.count(b"HTTP/1.1 ") == 1, told[:200]
    assert b"nosniff" in head and b"Location" not in head


def test_acme_challenge(stack):
    """What certbot puts into the webroot is served without TLS."""
    place = stack.folder / "work/acme/.well-known/acme-challenge"
    (place / "token").write_text("proof")
    ask = b"GET /.well-known/acme-challenge/%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert stack.talk(ask % b"token", tls=False).endswith(b"\r\n\r\nproof")
    assert stack.talk(ask % b"none", tls=False).startswith(b"HTTP/1.1 404 ")


def test_unknown_hosts(stack):
    """No handshake for an unknown name, no answer to an unknown Host."""
    # The testing defaults allow addresses, for which a handshake must be had.
    for tls in (True, False):
        for line in (b"GET /", b"POST /", b"GET /_error/api", b"GET /api/v1/health/", b"GET /" + b"a" * 5000):
            for more in (b"", b"Content-Length: 3\r\n"):
                data = line + b" HTTP/1.1\r\nHost: other.example.org\r\n" + more + b"\r\n"
                assert stack.talk(data, tls) == b"", data[:60]
        assert stack.talk(b"GET / HTTP/1.0\r\n\r\n", tls) == b""
        for target in (b"http://localhost/robots.txt", b" http://localhost/api/v1/cvs/  ", b"http://localhost/" + b"a" * 8100, b"/ ", b"/%", b"/../..", b"/%00"):
            assert stack.talk(b"GET " + target + b"\r\n", tls) == b"", "HTTP/0.9 knows no headers"
        for target in (b"/%5ferror/api", b"//_error/api", b"/x/../_error/api", b"/./_error/page", b"/_error%2fapi"):
            assert stack.talk(b"GET %s HTTP/1.1\r\nHost: other.example.org\r\n\r\n" % target, tls) == b"", target
    with socket.create_connection(("127.0.0.1", stack.https), timeout=10) as link: # plain HTTP where TLS is spoken
        link.sendall(b"GET / HTTP/1.1\r\nHost: other.example.org\r\n\r\n")
        assert read_to_end(link, 10, allow_reset=True) == b""
    answer = stack.ask("/api/v1/cvs/", host="127.0.0.1")
    assert answer.status == 200


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_tls_is_refused(stack, version):
    """1.0 and 1.1, which this client would speak."""
    weak = getattr(ssl.TLSVersion, version)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        stack.tls(maximum_version=weak, minimum_version=weak, ciphers=lambda c: c.set_ciphers("ALL:@SECLEVEL=0")).close()


def test_tls(stack):
    """1.2 with forward secrecy alone, 1.3, no session tickets in 1.2, HTTP/2."""
    with stack.tls() as link:
        assert link.version() == "TLSv1.3"
    two = {"maximum_version": ssl.TLSVersion.TLSv1_2}
    with stack.tls(**two) as link:
        assert link.version() == "TLSv1.2" and link.cipher()[0].startswith(("ECDHE", "DHE")) and not link.session.has_ticket
    with pytest.raises((ssl.SSLError, ConnectionError)):
        stack.tls(**two, ciphers=lambda c: c.set_ciphers("AES128-SHA:AES256-SHA:AES128-GCM-SHA256:@SECLEVEL=0")).close()
    assert stack.curl("--http2", "-o", "/dev/null", "-w", "%{http_version}", f"{stack.url}/api/v1/cvs/") == "2"


def test_cors(stack):
    """Allowed origins get it on everything under /api/, nginx's own errors too; others on nothing."""
    for target, method, extra, status in (("/api/v1/cvs/ramin/", "GET", {}, 200), ("/api/v1/cvs/nobody/", "GET", {}, 404),
                                          ("/api/v1/cvs/", "POST", {}, 405), ("/api/v1/cvs/ramin", "GET", {}, 301),
                                          ("/api/v1/cvs/", "GET", {"Content-Length": "1"}, 400)):
        for origin in ORIGINS:
            answer = stack.ask(target, method, {**extra, "Origin": origin})
            assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (status, origin)
            assert "x-request-id" in answer.tokens("Access-Control-Expose-Headers") and "origin" in answer.tokens("Vary")
        for origin in ("https://evil.example.org", ORIGINS[0].upper(), ORIGINS[0] + ":443", "null", ORIGINS[0] + ".evil.example"):
            answer = stack.ask(target, method, {**extra, "Origin": origin})
            assert not any(name.startswith("access-control") for name in answer.names()) and "origin" in answer.tokens("Vary")
    wish = {"Origin": ORIGINS[0], "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}
    answer = stack.ask("/api/v1/cvs/ramin/", "OPTIONS", wish)
    assert answer.status == 204 and answer.tokens("Access-Control-Allow-Methods") == {"get", "head", "options"}
    assert answer.header("Access-Control-Allow-Origin") == ORIGINS[0] and answer.header("Access-Control-Max-Age")


def test_spoofed_headers(stack):
    """What a client says of itself, of the scheme or of the request's id is not believed, nor handed on."""
    lies = {"X-Request-ID": "mine", "X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example",
            "Forwarded": "for=6.6.6.6;host=evil.example;proto=http", "X-Real-IP": "6.6.6.6", "X-Original-URL": "/livez"}
    answer = stack.ask("/api/v1/cvs/nobody/", headers=lies)
    assert answer.status == 404 and answer.header("X-Request-ID") != "mine" and b"mine" not in answer.body
    assert stack.ask("/api/v1/cvs/ramin", headers=lies).header("Location") == "/api/v1/cvs/ramin/"


def test_well_known(stack):
    """robots.txt invites nobody unless told; security.txt has what RFC 9116 demands."""
    assert stack.ask("/robots.txt").body == b"User-agent: *\nDisallow: /\n"
    text = stack.ask("/.well-known/security.txt").body.decode()
    assert text.startswith("Contact: mailto:security@example.org\n") and re.search(r"^Expires: 20\d\d-\d\d-\d\dT00:00:00Z$", text, re.M)
