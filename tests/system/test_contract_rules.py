"""Contract, "Rules for every answer": encoding, body, date, cache, type and order of checks."""
import pytest

from expect import CANONICAL, ERRORS, PROBES, REDIRECTS, check_date, check_error
from wire import ask, parse_responses, request, talk

LIST = b'{"cvs":["mahsa","ramin"]}'


@pytest.mark.parametrize("target", CANONICAL + PROBES + REDIRECTS + ERRORS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_date_and_one_id_on_every_answer(service, target, method):
    """`Date` and exactly one `X-Request-ID` are on every answer."""
    answer = ask(service, target, method)
    check_date(answer)
    assert answer.header("X-Request-ID")


@pytest.mark.parametrize("target", CANONICAL)
def test_canonical_urls_answer(service, target):
    """Each endpoint answers 200 at its canonical URL."""
    assert ask(service, target).status == 200


@pytest.mark.parametrize("target", [
    target for target in CANONICAL if "/pdf/" not in target and "/picture/" not in target])
def test_json_type(service, target):
    """Bodies are UTF-8 JSON with the plain type."""
    answer = ask(service, target)
    assert answer.header("Content-Type") == "application/json"
    assert isinstance(answer.json(), dict)
    assert answer.body[:1] == b"{" and answer.body[-1:] in (b"}", b"\n")


@pytest.mark.parametrize("target, cache", [
    ("/api/v1/cvs/", "public, max-age=300"),
    ("/api/v1/cvs/?limit=1", "public, max-age=300"),
    ("/api/v1/cvs/ramin/", "public, max-age=300"),
    ("/api/v1/cvs/ramin/?focus=Programming", "public, max-age=300"),
    ("/api/v1/cvs/ramin/skills/", "public, max-age=300"),
    ("/api/v1/cvs/ramin/pdf/", "public, max-age=3600"),
    ("/api/v1/cvs/ramin/picture/", "public, max-age=86400"),
    ("/api/v1/health/", "no-store"),
    ("/api/v1/cvs/nobody/", "no-store"),
    ("/api/v1/cvs/ramin/hobbies/", "no-store"),
    ("/nothing", "no-store"),
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_cache_control(service, target, cache, method):
    """Each endpoint's own `Cache-Control`; health and errors are not stored."""
    assert ask(service, target, method).header("Cache-Control") == cache


@pytest.mark.parametrize("target, same", [
    ("/api/v1/cvs/r%61min/", "/api/v1/cvs/ramin/"),
    ("/api/v1/cvs/%72%61%6d%69%6E/", "/api/v1/cvs/ramin/"),
    ("/api/v1/cvs/ramin/educ%61tion/", "/api/v1/cvs/ramin/education/"),
    ("/api/v1/%63vs/", "/api/v1/cvs/"),
    ("/api/v1/cvs/ramin/?l%61ng=d%65", "/api/v1/cvs/ramin/?lang=de"),
    ("/api/v1/cvs/ramin/?foc%75s=Student+Projects", "/api/v1/cvs/ramin/?focus=Student%20Projects"),
    ("/api/v1/cvs/?%6cimit=%31", "/api/v1/cvs/?limit=1"),
])
def test_decoded_once(service, target, same):
    """Path segments and parameters are percent-decoded."""
    answer = ask(service, target)
    assert answer.status == 200 and answer.body == ask(service, same).body


@pytest.mark.parametrize("target, person", [
    ("/api/v1/cvs/r%2561min/", "r%61min"), ("/api/v1/cvs/a+b/", "a+b"),
    ("/api/v1/cvs/a%20b/", "a b"), ("/api/v1/cvs/%C3%A9/", "é"), ("/api/v1/cvs/a%3Fb/", "a?b"),
])
def test_never_decoded_twice(service, target, person):
    """A decoded `%` stays one, and `+` in a path is a plus."""
    check_error(ask(service, target), 400, "Invalid person", {"person": person})


@pytest.mark.parametrize("target", [
    "/api/v1/cvs/%/", "/api/v1/cvs/%a/", "/api/v1/cvs/%zz/", "/api/v1/cvs/ramin%2/",
    "/api/v1/cvs/%ff/", "/api/v1/cvs/%C3/", "/api/v1/cvs/%C0%AF/", "/api/v1/cvs/%ED%A0%80/",
    "/api/v1/cvs/%F5%80%80%80/", "/api/v1/cvs/ramin/%e9/", "/api/v1/cvs/ramin/%g0/",
    "/api/v1/cvs/?%", "/api/v1/cvs/?limit=%", "/api/v1/cvs/?limit=%zz", "/api/v1/cvs/?%ff=1",
    "/api/v1/cvs/?other=%ff", "/api/v1/cvs/ramin/?lang=%e9", "/api/v1/cvs/ramin/?focus=%C3",
    "/api/v1/cvs/ramin/?focus=%u0041", "/api/v1/cvs/ramin/skills/?x=%4",
    "/api/v1/cvs/ramin/?lang=de&x=%C3%28", "/api/v1/?%zz", "/api/v1/openapi.json?%zz",
    "/api/v1/cvs/ramin/picture/?%zz", "/api/v1/cvs/ramin/pdf/?%fe",
])
def test_broken_encoding(service, target):
    """A broken `%`, or bytes that are not UTF-8, are "Malformed request"."""
    check_error(ask(service, target), 400, "Malformed request")


@pytest.mark.parametrize("target", [
    "/api/v1/cvs/?x=1", "/api/v1/cvs/?Limit=0", "/api/v1/cvs/?lang=it&focus=", "/api/v1/cvs/?&&",
    "/api/v1/cvs/?=", "/api/v1/cvs/?x&y=%20&x=2", "/api/v1/cvs/?", "/api/v1/cvs/?x=a=b?c/d",
])
def test_unknown_parameters_are_ignored(service, target):
    """Parameters that an endpoint does not have change nothing; names are case-sensitive."""
    answer = ask(service, target)
    assert answer.status == 200 and answer.body == LIST


@pytest.mark.parametrize("target, same", [
    ("/api/v1/cvs/ramin/?LANG=it&Focus=", "/api/v1/cvs/ramin/"),
    ("/api/v1/cvs/ramin/?limit=0&after=-", "/api/v1/cvs/ramin/"),
    ("/api/v1/cvs/ramin/?x=1&lang=de&&y=2", "/api/v1/cvs/ramin/?lang=de"),
    ("/api/v1/cvs/ramin/pdf/?focus=", "/api/v1/cvs/ramin/pdf/"),
    ("/api/v1/cvs/ramin/picture/?lang=it&focus=", "/api/v1/cvs/ramin/picture/"),
    ("/api/v1/openapi.json?lang=it", "/api/v1/openapi.json"),
    ("/api/v1/?limit=0", "/api/v1/"),
])
def test_foreign_parameters_are_ignored(service, target, same):
    """A parameter of one endpoint is unknown to the others."""
    answer = ask(service, target)
    assert answer.status == 200 and answer.body == ask(service, same).body


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("announced", [
    "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Content-Length: 1\r\n\r\n", "Transfer-Encoding: identity\r\n\r\n"])
def test_a_body_is_refused(service, method, announced):
    """A `GET`, `HEAD` or `OPTIONS` with a body: 400, and the connection is closed."""
    data = f"{method} /api/v1/cvs/ HTTP/1.1\r\nHost: localhost\r\n{announced}".encode()
    received = talk(service.address, data, half_close=False)
    answers = parse_responses(received, [method])
    assert [answer.status for answer in answers] == [400]
    assert answers[0].header("Connection") == "close"
    if method != "HEAD":
        check_error(answers[0], 400, "Malformed request")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_length_of_zero_is_no_body(service, method):
    """`Content-Length: 0` announces nothing."""
    answer = ask(service, "/api/v1/cvs/", method, headers={"Content-Length": "0"})
    assert answer.status == (204 if method == "OPTIONS" else 200)


@pytest.mark.parametrize("earlier, target, method, host, expected", [
    ("head before host", "api/v1/", "GET", "evil.example", (400, "Malformed request")),
    ("host before method", "/api/v1/", "POST", "evil.example", (400, "Invalid host")),
    ("host before route", "/nothing", "GET", "evil.example", (400, "Invalid host")),
    ("method before route", "/nothing", "DELETE", "localhost", (405, "Method not allowed")),
    ("method before redirect", "/api/v1/cvs", "PUT", "localhost", (405, "Method not allowed")),
    ("route before parameters", "/api/v1/nothing/?%zz", "GET", "localhost", (404, "Not found")),
    ("redirect before parameters", "/api/v1/cvs/ramin?lang=it", "GET", "localhost", (301, None)),
    ("redirect before bad person", "/api/v1/cvs/a-b", "GET", "localhost", (301, None)),
    ("redirect before person", "/api/v1/cvs/nobody", "GET", "localhost", (301, None)),
    ("person's form before lang", "/api/v1/cvs/a-b/?lang=it&focus=", "GET", "localhost",
     (400, "Invalid person")),
    ("lang before focus", "/api/v1/cvs/nobody/?focus=&lang=it", "GET", "localhost",
     (400, "Invalid language")),
    ("focus before person", "/api/v1/cvs/nobody/?focus=", "GET", "localhost",
     (400, "Invalid focus")),
    ("parameters before section", "/api/v1/cvs/ramin/hobbies/?lang=it", "GET", "localhost",
     (400, "Invalid language")),
    ("person before section", "/api/v1/cvs/nobody/hobbies/", "GET", "localhost",
     (404, "CV not found")),
    ("person before file", "/api/v1/cvs/nobody/pdf/", "GET", "localhost", (404, "CV not found")),
    ("limit before after", "/api/v1/cvs/?after=-&limit=x", "GET", "localhost",
     (400, "Invalid limit")),
    ("encoding before values", "/api/v1/cvs/ramin/?lang=it&x=%zz", "GET", "localhost",
     (400, "Malformed request")),
])
def test_order_of_checks(service, earlier, target, method, host, expected):
    """Of two things wrong, the one that is checked first is told."""
    data = request(target, method, host=host)
    answers = parse_responses(talk(service.address, data), [method])
    assert len(answers) == 1, earlier
    status, message = expected
    assert answers[0].status == status
    if message:
        assert answers[0].json()["error"]["message"] == message


@pytest.mark.parametrize("headers", [
    {"Accept-Language": "de"}, {"Accept": "text/html"}, {"Cookie": "lang=de"},
    {"Range": "bytes=0-3"}, {"Upgrade": "h2c", "Connection": "Upgrade"}, {"X-Http-Method-Override": "DELETE"},
    {"Forwarded": "host=evil.example;proto=https"}, {"X-Forwarded-Host": "evil.example"},
    {"X-Original-URL": "/nothing"}, {"Authorization": "Basic eDp4"},
])
def test_headers_without_meaning(service, headers):
    """What the contract does not name changes nothing."""
    answer = ask(service, "/api/v1/cvs/", headers=headers)
    assert answer.status == 200 and answer.body == LIST


def test_no_cookie_is_set(service):
    """The API keeps no state with its clients."""
    for target in CANONICAL + ERRORS:
        assert ask(service, target).header("Set-Cookie") is None
