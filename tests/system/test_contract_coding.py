"""Contract, "coding": br, gzip and identity by Accept-Encoding with q-values."""
import zlib

import brotli
import pytest

from expect import check_error
from wire import ask

LARGE = ("/api/v1/cvs/ramin/", "/api/v1/cvs/ramin/?lang=fa", "/api/v1/cvs/ramin/skills/",
         "/api/v1/cvs/mahsa/projects/")
FOCUS = ("/api/v1/cvs/ramin/?focus=Programming", "/api/v1/cvs/ramin/skills/?focus=Robotics")
SMALL = ("/api/v1/cvs/", "/api/v1/cvs/mahsa/references/",
         "/api/v1/cvs/ramin/skills/?focus=None+Such")
NEGOTIATED = LARGE + FOCUS + SMALL + ("/api/v1/openapi.json",)
NOTHING_ELSE = ("identity;q=0", "*;q=0", "identity;q=0, deflate", "br;q=0, gzip;q=0, identity;q=0",
                "deflate, *;q=0", "gzip;q=0, br;q=0, *;q=0", "identity;q=0.000", "identity; q=0, zstd")
# What must be chosen for a large body: Accept-Encoding → coding.
CHOICES = [
    (None, None), ("", None), ("identity", None), ("br", "br"), ("gzip", "gzip"), ("GZIP", "gzip"),
    ("Br", "br"), ("gzip, br", "br"), ("br, gzip", "br"), ("gzip, deflate, br, zstd", "br"),
    ("gzip;q=1.0, br;q=1", "br"), ("br;q=0.5, gzip;q=0.5", "br"), ("br;q=0.5, gzip;q=0.8", "gzip"),
    ("br;q=0.999, gzip;q=1", "gzip"), ("br;q=0, gzip", "gzip"), ("br;q=0.001", "br"),
    ("gzip;q=0.001", "gzip"), ("deflate", None), ("zstd, compress", None), ("*", "br"),
    ("gzip;q=1, *;q=0", "gzip"), ("br;q=0, *", "gzip"), ("*;q=0.5, br;q=0", "gzip"),
    ("*;q=0, identity", None), ("*;q=0, identity;q=0.1", None), ("*;q=0, br", "br"),
    ("identity;q=0, *", "br"), ("identity;q=0, gzip", "gzip"), ("identity;q=0, br;q=0.1", "br"),
    ("br;q=0.2, identity;q=0.9", None), ("identity;q=0.5, gzip;q=0.6", "gzip"),
    ("br;q=0.5, gzip;q=0.5, identity;q=0.5", "br"), ("br ; q=0.1 , gzip ; q=0.2", "gzip"),
    ("br;Q=0.1, gzip;Q=0.2", "gzip"), ("br;q=0., gzip", "gzip"), (",,gzip,,", "gzip"), ("\tgzip\t", "gzip"),
    ("brotli", None), ("gzipx", None), ("xbr", None), ("br;q=0", None), ("br;q=0, gzip;q=0", None),
]
IDENTITY_REFUSED = {value for value, coding in CHOICES if coding and (
    value.startswith("identity;q=0,") or ("*;q=0" in value and "*;q=0." not in value))}


def decoded(answer):
    """The body without its content coding."""
    coding = answer.header("Content-Encoding")
    if coding == "br":
        return brotli.decompress(answer.body)
    if coding == "gzip":
        stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
        plain = stream.decompress(answer.body)
        assert stream.eof and stream.unused_data == b"", "one gzip member, whole"
        return plain
    assert coding is None, coding
    return answer.body


def accepting(value):
    """Headers with this Accept-Encoding; None for none at all."""
    return {} if value is None else {"Accept-Encoding": value}


def negotiate(service, target, value, method="GET"):
    """The answer and what it means; `Vary` is there whatever was chosen."""
    answer = ask(service, target, method, headers=accepting(value))
    assert answer.status == 200
    assert "accept-encoding" in answer.tokens("Vary")
    return answer


def check_choice(service, target, value, coding):
    """A body of 1 KB and more has exactly this coding, and means the same bytes."""
    plain = ask(service, target).body
    assert len(plain) >= 1024
    answer = negotiate(service, target, value)
    assert answer.header("Content-Encoding") == coding
    assert decoded(answer) == plain


@pytest.mark.parametrize("target", LARGE)
@pytest.mark.parametrize("value, coding", CHOICES)
def test_choice_for_large_bodies(service, target, value, coding):
    """The heaviest acceptable coding, br before gzip at equal weight."""
    check_choice(service, target, value, coding)


@pytest.mark.parametrize("target", FOCUS)
@pytest.mark.parametrize("value, coding", CHOICES)
def test_choice_for_filtered_bodies(service, target, value, coding):
    """Only "a body under 1 KB may stay identity": a larger one is coded with a focus too."""
    check_choice(service, target, value, coding)


@pytest.mark.parametrize("target", SMALL)
@pytest.mark.parametrize("value, coding", CHOICES)
def test_choice_for_small_bodies(service, target, value, coding):
    """A body under 1 KB may stay identity where identity is allowed, but only there."""
    plain = ask(service, target).body
    assert len(plain) < 1024
    answer = negotiate(service, target, value)
    allowed = (coding,) if value in IDENTITY_REFUSED else (coding, None)
    assert answer.header("Content-Encoding") in allowed
    assert decoded(answer) == plain


@pytest.mark.parametrize("target", NEGOTIATED)
@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_coded_where_identity_is_refused(service, target, coding):
    """With identity refused each of these has both codings; HEAD agrees with GET."""
    answer = negotiate(service, target, f"identity;q=0, {coding}")
    assert answer.header("Content-Encoding") == coding
    assert decoded(answer) == ask(service, target).body
    head = negotiate(service, target, f"identity;q=0, {coding}", "HEAD")
    assert head.header("Content-Length") == str(len(answer.body))
    assert head.header("ETag") == answer.header("ETag")


@pytest.mark.parametrize("target", LARGE)
def test_coding_is_worth_it(service, target):
    """A coded body is smaller, and br no larger than gzip."""
    sizes = [len(negotiate(service, target, coding).body) for coding in ("br", "gzip", "identity")]
    assert sizes[0] <= sizes[1] < sizes[2]


@pytest.mark.parametrize("target", NEGOTIATED)
@pytest.mark.parametrize("value", NOTHING_ELSE)
def test_nothing_acceptable(service, target, value):
    """406, and the answer could have differed by Accept-Encoding."""
    answer = ask(service, target, headers=accepting(value))
    check_error(answer, 406, "Not Acceptable")
    assert "accept-encoding" in answer.tokens("Vary")


@pytest.mark.parametrize("target", ["/api/v1/", "/api/v1/cvs/ramin/pdf/", "/api/v1/cvs/ramin/picture/"])
@pytest.mark.parametrize("value", NOTHING_ELSE)
def test_nothing_acceptable_where_there_is_only_identity(service, target, value):
    """What has no coded form is not acceptable either."""
    check_error(ask(service, target, headers=accepting(value)), 406, "Not Acceptable")


@pytest.mark.parametrize("target", ["/api/v1/health/", "/livez", "/readyz"])
@pytest.mark.parametrize("value", ["identity;q=0", "*;q=0", "br", "gzip"])
def test_probes_do_not_negotiate(service, target, value):
    """A probe is answered whatever it accepts."""
    answer = ask(service, target, headers=accepting(value))
    assert answer.status == 200 and answer.header("Content-Encoding") is None


@pytest.mark.parametrize("target", ["/api/v1/cvs/ramin/pdf/", "/api/v1/cvs/ramin/picture/"])
@pytest.mark.parametrize("value", ["br", "gzip, br", "*"])
def test_files_are_served_as_they_are(service, target, value):
    """PDFs and pictures are compressed already."""
    answer = ask(service, target, headers=accepting(value))
    assert answer.status == 200 and answer.header("Content-Encoding") is None
    assert answer.body == ask(service, target).body


@pytest.mark.parametrize("target, status", [
    ("/api/v1/cvs/nobody/", 404), ("/nothing", 404), ("/api/v1/cvs/ramin/?lang=it", 400)])
@pytest.mark.parametrize("value", ["br", "gzip", "identity;q=0"])
def test_errors_stay_readable(service, target, status, value):
    """An error tells its own status, not 406, and is not coded."""
    answer = ask(service, target, headers=accepting(value))
    assert answer.status == status and answer.header("Content-Encoding") is None
    assert answer.json()["error"]["code"] == status


@pytest.mark.parametrize("lines, coding", [
    (["gzip", "br"], "br"), (["br;q=0.1", "gzip"], "gzip"), (["identity", "gzip;q=0"], None)])
def test_several_lines_are_one_list(service, lines, coding):
    """Two Accept-Encoding lines are one list."""
    headers = [("Accept-Encoding", line) for line in lines]
    answer = ask(service, "/api/v1/cvs/ramin/", headers=headers)
    assert answer.header("Content-Encoding") == coding


@pytest.mark.parametrize("value", [
    "br;q=2", "br;q=-1", "br;q=x", "br;q=", ";q=1", "br;;", "br;level=9", "br q=1", "x" * 3000,
    "gzip;q=0.12345", "x-gzip", ", " * 1000, "br;q=1;q=0", '"br"'])
def test_strange_values_do_no_harm(service, value):
    """Whatever is written there, the answer is whole and means the same."""
    answer = negotiate(service, "/api/v1/cvs/ramin/", value)
    assert decoded(answer) == ask(service, "/api/v1/cvs/ramin/").body
