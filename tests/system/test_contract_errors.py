"""Contract, "Errors": one form, and one row of the table a test."""
import pytest

from expect import ERRORS, FRESH_ID, check_error, check_error_headers
from oracle import LANGUAGES, SECTIONS
from samples import cv
from service import running, write_cvs
from wire import ask, parse_responses, talk

VALID_LANGUAGES = list(LANGUAGES)
VALID_SECTIONS = list(SECTIONS)
CVS = {
    "ann_fa.json": cv("Ann"), "bob_de.json": cv("Bob"), "bob_fa.json": cv("Bob"),
    "carla.json": cv("Carla", more=', "certifications": [], "hobbies": []'),
}


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """People whose CVs lack languages and sections."""
    folder = tmp_path_factory.mktemp("few")
    write_cvs(folder, CVS)
    with running(folder) as started:
        yield started


@pytest.mark.parametrize("target", ERRORS)
def test_form(service, target):
    """Every error is the one object, repeats the request id and is not stored."""
    answer = ask(service, target)
    assert 400 <= answer.status < 500
    error = answer.json()["error"]
    assert list(answer.json()) == ["error"]
    assert list(error) in (["code", "message", "detail", "request_id"],
                           ["code", "message", "request_id"])
    assert error["code"] == answer.status
    assert error["request_id"] == answer.header("X-Request-ID")
    assert FRESH_ID.fullmatch(error["request_id"])
    check_error_headers(answer)


@pytest.mark.parametrize("path", [
    "/", "/x", "/api", "/api/", "/api/v2/", "/api/v1/nothing/", "/api/v1/cvs/ramin/education/1/",
    "/api/v1/cvs//", "//api/v1/", "/api//v1/", "/api/v1//", "/api/v1/cvs/ramin/pdf/x/", "/API/v1/",
    "/favicon.ico", "/robots.txt", "/api/v1/Health/", "/api/v1/openapi.yaml", "/livez/x",
    "/api/v1/cvs/ramin/pictures/x/", "/x%20y", "/api/v1/;a=b", "/metrics",
])
@pytest.mark.parametrize("query", ["", "?a=b", "?"])
def test_no_such_route(service, path, query):
    """404 "Not found" with the path as it was sent, without the query."""
    check_error(ask(service, path + query), 404, "Not found", {"path": path})


@pytest.mark.parametrize("method", [
    "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "Head", "M-SEARCH", "X!#$%&'*+.^`|~",
])
@pytest.mark.parametrize("target", ["/api/v1/cvs/", "/api/v1/cvs", "/nothing", "/api/v1/health/", "/livez"])
def test_method_not_allowed(service, method, target):
    """405 with `Allow` and the three that are allowed."""
    answer = ask(service, target, method)
    detail = {"method": method, "allowed": ["GET", "HEAD", "OPTIONS"]}
    check_error(answer, 405, "Method not allowed", detail)
    assert answer.header("Allow") == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("raw, value", [
    ("0", "0"), ("1001", "1001"), ("-1", "-1"), ("", ""), ("x", "x"), ("1.0", "1.0"), ("1e2", "1e2"),
    ("+1", " 1"), ("%2B1", "+1"), ("%201", " 1"), ("1%20", "1 "), ("0x1", "0x1"), ("1%00", "1\0"),
    ("99999999999999999999999", "99999999999999999999999"), ("4294967297", "4294967297"),
    ("18446744073709551617", "18446744073709551617"), ("%D9%A1", "١"), ("1,000", "1,000"),
])
def test_invalid_limit(service, raw, value):
    """`limit` is 1..1000 in plain digits."""
    check_error(ask(service, f"/api/v1/cvs/?limit={raw}"), 400, "Invalid limit", {"limit": value})


@pytest.mark.parametrize("raw, value", [
    ("", ""), ("a-b", "a-b"), ("a%20b", "a b"), ("a+b", "a b"), ("../x", "../x"), ("%00", "\0"),
    ("a" * 51, "a" * 51), ("%C3%A9", "é"), ("ramin.json", "ramin.json"), ("%22", '"'),
])
def test_invalid_after(service, raw, value):
    """`after` has the form of a person's name."""
    check_error(ask(service, f"/api/v1/cvs/?after={raw}"), 400, "Invalid after", {"after": value})


@pytest.mark.parametrize("target, message, name, values", [
    ("/api/v1/cvs/?limit=1&limit=2", "Invalid limit", "limit", ["1", "2"]),
    ("/api/v1/cvs/?limit=1&limit=1", "Invalid limit", "limit", ["1", "1"]),
    ("/api/v1/cvs/?limit=1&x=3&limit=", "Invalid limit", "limit", ["1", ""]),
    ("/api/v1/cvs/?after=a&limit=1&after=b", "Invalid after", "after", ["a", "b"]),
    ("/api/v1/cvs/?after=a&%61fter=b&after=c", "Invalid after", "after", ["a", "b", "c"]),
    ("/api/v1/cvs/ramin/?focus=A&focus=B", "Invalid focus", "focus", ["A", "B"]),
    ("/api/v1/cvs/ramin/skills/?focus=A&focus=A", "Invalid focus", "focus", ["A", "A"]),
])
def test_given_twice(service, target, message, name, values):
    """A parameter given twice is refused, even with the same value; the detail lists them."""
    check_error(ask(service, target), 400, message, {name: values})


@pytest.mark.parametrize("tail", ["", "skills/", "pdf/", "picture/", "hobbies/"])
@pytest.mark.parametrize("raw, person", [
    ("a-b", "a-b"), ("a.b", "a.b"), ("a" * 51, "a" * 51), ("ramin.json", "ramin.json"),
    ("%C3%A9", "é"), ("a%20b", "a b"), ("~", "~"), ("%22", '"'), ("a%3Cb", "a<b"), ("%7F", None),
])
def test_invalid_person(service, raw, person, tail):
    """A name that is not `[A-Za-z0-9_]{1,50}`."""
    answer = ask(service, f"/api/v1/cvs/{raw}/{tail}")
    if person is None:
        assert answer.status == 400
    else:
        check_error(answer, 400, "Invalid person", {"person": person})


@pytest.mark.parametrize("tail", ["", "skills/", "pdf/", "picture/", "hobbies/", "?lang=de"])
@pytest.mark.parametrize("person", [
    "nobody", "Ramin", "RAMIN", "ramin_de", "ramin_", "a" * 50, "_", "0", "cvs", "SHA256SUMS", "pdf"])
def test_unknown_person(service, person, tail):
    """A well-formed name that nobody has, also under `pdf/` and `picture/`."""
    check_error(ask(service, f"/api/v1/cvs/{person}/{tail}"), 404, "CV not found", {"person": person})


@pytest.mark.parametrize("tail", ["", "skills/", "pdf/"])
@pytest.mark.parametrize("raw, lang", [
    ("it", "it"), ("EN", "EN"), ("De", "De"), ("", ""), ("de-DE", "de-DE"), ("en%20", "en "),
    ("e", "e"), ("..", ".."), ("fa_IR", "fa_IR"), ("%00", "\0"), ("de,en", "de,en"),
])
def test_invalid_language(service, raw, lang, tail):
    """Only en, de and fa, as they are written."""
    detail = {"lang": lang, "valid_languages": VALID_LANGUAGES}
    check_error(ask(service, f"/api/v1/cvs/ramin/{tail}?lang={raw}"), 400, "Invalid language", detail)


@pytest.mark.parametrize("tail", ["", "skills/", "pdf/"])
def test_language_given_twice(service, tail):
    """Twice is invalid, whatever the values."""
    detail = {"lang": ["de", "de"], "valid_languages": VALID_LANGUAGES}
    answer = ask(service, f"/api/v1/cvs/ramin/{tail}?lang=de&lang=de")
    check_error(answer, 400, "Invalid language", detail)


@pytest.mark.parametrize("tail", ["", "basics/"])
@pytest.mark.parametrize("person, query, lang, available", [
    ("ann", "", "en", ["fa"]), ("ann", "?lang=de", "de", ["fa"]), ("ann", "?lang=en", "en", ["fa"]),
    ("bob", "", "en", ["de", "fa"]), ("bob", "?lang=en", "en", ["de", "fa"]),
])
def test_neither_language_nor_english(few, person, query, lang, available, tail):
    """404 with the languages that there are."""
    detail = {"person": person, "lang": lang, "available_languages": available}
    check_error(ask(few, f"/api/v1/cvs/{person}/{tail}{query}"), 404, "CV not found", detail)


@pytest.mark.parametrize("tail", ["", "skills/"])
@pytest.mark.parametrize("raw, focus", [
    ("", ""), ("a" * 65, "a" * 65), ("%D8%A8" * 33, "ب" * 33), ("%00", "\0"), ("a%0Ab", "a\nb"),
    ("%09", "\t"), ("%1F", "\x1f"), ("%7F", "\x7f"), ("a%0d%0aX:y", "a\r\nX:y"), ("%61" * 65, "a" * 65),
    ("%C3%A9" * 32 + "a", "é" * 32 + "a"),
])
def test_invalid_focus(service, raw, focus, tail):
    """Empty, over 64 bytes (of decoded text), or with control characters."""
    answer = ask(service, f"/api/v1/cvs/ramin/{tail}?focus={raw}")
    check_error(answer, 400, "Invalid focus", {"focus": focus})


@pytest.mark.parametrize("raw", ["a" * 64, "%61" * 64, "%D8%A8" * 32, "%F0%9F%98%80" * 16, "+", "%20"])
def test_longest_focus(service, raw):
    """64 bytes are allowed, and so is a blank."""
    assert ask(service, f"/api/v1/cvs/ramin/?focus={raw}").status == 200


@pytest.mark.parametrize("section", [
    "hobbies", "Basics", "basic", "type_key", "picture_", "pdfs", "a-b", "x" * 200, "certification"])
def test_unknown_section(service, section):
    """404 with the ten that there are."""
    detail = {"section": section, "valid_sections": VALID_SECTIONS}
    check_error(ask(service, f"/api/v1/cvs/ramin/{section}/"), 404, "Section not found", detail)


def test_other_keys_are_no_sections(few):
    """Another top-level key is part of the whole CV and no section of its own."""
    assert b'"hobbies":[]' in ask(few, "/api/v1/cvs/carla/").body
    detail = {"section": "hobbies", "valid_sections": VALID_SECTIONS}
    check_error(ask(few, "/api/v1/cvs/carla/hobbies/"), 404, "Section not found", detail)


@pytest.mark.parametrize("section", [*SECTIONS[1:], "workshop_and_certifications"])
def test_absent_section(few, section):
    """A valid section that this CV does not have."""
    detail = {"person": "carla", "section": section}
    for query in ("", "?lang=de", "?focus=X"):
        answer = ask(few, f"/api/v1/cvs/carla/{section}/{query}")
        check_error(answer, 404, "Section not found", detail)


@pytest.mark.parametrize("data, status, message", [
    (b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 5000), 414, "URI Too Long"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431,
     "Request Header Fields Too Large"),
    (b"GET / HTTP/2.5\r\nHost: a\r\n\r\n", 505, "HTTP Version Not Supported"),
    (b"GET / HTTP/1.1\r\n\r\n", 400, "Malformed request"),
])
def test_errors_before_a_host_is_known(service, data, status, message):
    """The same form where the head itself is refused; the phrase is the standard one."""
    answers = parse_responses(talk(service.address, data))
    assert len(answers) == 1
    check_error(answers[0], status, message)
    assert answers[0].header("Connection") == "close"


def test_not_acceptable_phrase(service):
    """The standard phrase where the table gives no message."""
    answer = ask(service, "/api/v1/cvs/ramin/", headers={"Accept-Encoding": "identity;q=0"})
    check_error(answer, 406, "Not Acceptable")


def test_nothing_of_the_inside_is_told(service):
    """Errors name no file, no folder and no program."""
    for target in ERRORS:
        answer = ask(service, target)
        told = (answer.body + repr(answer.headers).encode()).lower()
        for inside in (b".json", str(service.folder).encode().lower(), b"lmdb", b"boost", b"beast"):
            assert inside not in told
