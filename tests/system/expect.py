"""What several themes expect of an answer."""
import json
import re
from email.utils import parsedate_to_datetime
from datetime import datetime, timezone

VOLATILE = {"date", "x-request-id"}
FRESH_ID = re.compile("[0-9a-f]{32}")
CANONICAL = (
    "/api/v1/", "/api/v1/health/", "/api/v1/cvs/", "/api/v1/cvs/ramin/", "/api/v1/cvs/mahsa/",
    "/api/v1/cvs/ramin/education/", "/api/v1/cvs/ramin/?focus=Programming", "/api/v1/cvs/ramin/pdf/",
    "/api/v1/cvs/ramin/picture/", "/api/v1/openapi.json",
)
PROBES = ("/livez", "/readyz")
REDIRECTS = ("/api/v1", "/api/v1/cvs", "/api/v1/cvs/ramin?lang=de", "/api/v1/cvs/ramin/skills")
ERRORS = (
    "/", "/api/v1/nothing/", "/api/v1/cvs/nobody/", "/api/v1/cvs/a-b/", "/api/v1/cvs/ramin/hobbies/",
    "/api/v1/cvs/ramin/?lang=it", "/api/v1/cvs/ramin/?focus=", "/api/v1/cvs/?limit=0",
    "/api/v1/cvs/nobody/pdf/", "/api/v1/cvs/nobody/picture/", "/api/v1/cvs/%zz/", "/a/../b",
)


def error_text(status, message, detail, request_id):
    """The exact body of an error."""
    error = {"code": status, "message": message}
    if detail is not None:
        error["detail"] = detail
    error["request_id"] = request_id
    return json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False)


def check_error(answer, status, message, detail=None):
    """Status, exact body and the headers that every error carries."""
    assert answer.status == status, answer
    request_id = answer.header("X-Request-ID")
    assert request_id, "an error without X-Request-ID"
    expected = error_text(status, message, detail, request_id)
    if re.search(r"[^ -~]|\\", expected):
        assert list(answer.json()) == ["error"]
        assert list(answer.json()["error"]) == list(json.loads(expected)["error"])
        assert answer.json() == json.loads(expected)
    else:
        assert answer.body.decode("utf-8") == expected
    check_error_headers(answer)


def check_error_headers(answer):
    """Type, caching and date of an error."""
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("ETag") is None
    check_date(answer)


def check_date(answer):
    """One `Date` in the preferred form, and of now."""
    text = answer.header("Date")
    assert text and re.fullmatch(
        r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT", text)
    age = datetime.now(timezone.utc) - parsedate_to_datetime(text)
    assert abs(age.total_seconds()) < 10


def stable(answer, without=()):
    """The headers that do not change from request to request, sorted."""
    left_out = VOLATILE | {name.lower() for name in without}
    return sorted((name.lower(), value) for name, value in answer.headers
                  if name.lower() not in left_out)
