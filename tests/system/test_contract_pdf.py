"""Contract, `GET /api/v1/cvs/{person}/pdf/`: the file, its languages, its ranges."""
import re

import pytest

from expect import check_error
from samples import SMALL, cv
from service import PDFS, running, write_cvs
from wire import ask

RAMIN = PDFS["ramin.pdf"]
SIZE = len(RAMIN)
URL = "/api/v1/cvs/ramin/pdf/"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """People with every mixture of CVs and PDFs."""
    folder = tmp_path_factory.mktemp("shelf")
    data = write_cvs(folder, {**SMALL, "ann.json": cv("Ann"), "fay_fa.json": cv("Fay")})
    for name in ("omid_de.pdf", "ann.pdf", "ann_en.pdf", "fay_fa.pdf", "stranger.pdf"):
        (data / "pdfs" / name).write_bytes(b"%PDF " + name.encode())
    with running(folder) as started:
        yield started


@pytest.mark.parametrize("person, lang, file, served", [
    ("ramin", None, "ramin.pdf", "en"), ("ramin", "en", "ramin.pdf", "en"),
    ("ramin", "de", "ramin_de.pdf", "de"), ("ramin", "fa", "ramin.pdf", "en"),
    ("mahsa", None, "mahsa_en.pdf", "en"), ("mahsa", "de", "mahsa_en.pdf", "en"),
])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_files_and_languages(service, person, lang, file, served, method):
    """The asked language, else English; the headers that a download needs."""
    answer = ask(service, f"/api/v1/cvs/{person}/pdf/" + (f"?lang={lang}" if lang else ""), method)
    assert answer.status == 200
    assert answer.body == (PDFS[file] if method == "GET" else b"")
    assert answer.header("Content-Length") == str(len(PDFS[file]))
    assert answer.header("Content-Type") == "application/pdf"
    assert answer.header("Content-Disposition") == f'attachment; filename="{person}_cv.pdf"'
    assert answer.header("Content-Language") == served
    assert answer.header("Cache-Control") == "public, max-age=3600"
    assert answer.header("Accept-Ranges") == "bytes"
    assert re.fullmatch('"[^"]+"', answer.header("ETag"))


@pytest.mark.parametrize("person, lang, file", [
    ("omid", "de", "omid_de.pdf"), ("ann", "en", "ann.pdf"), ("ann", "fa", "ann.pdf"),
    ("fay", "fa", "fay_fa.pdf")])
def test_which_file(shelf, person, lang, file):
    """`P.pdf` comes before `P_en.pdf`."""
    assert ask(shelf, f"/api/v1/cvs/{person}/pdf/?lang={lang}").body == b"%PDF " + file.encode()


@pytest.mark.parametrize("person, query, lang", [
    ("mina", "", "en"), ("mina", "?lang=en", "en"), ("mina", "?lang=fa", "fa"), ("omid", "", "en"),
    ("omid", "?lang=fa", "fa")])
def test_no_pdf(shelf, person, query, lang):
    """404 "PDF not found" with the language asked for."""
    answer = ask(shelf, f"/api/v1/cvs/{person}/pdf/{query}")
    check_error(answer, 404, "PDF not found", {"person": person, "lang": lang})


def test_a_pdf_without_a_cv(shelf):
    """A person is whoever has a CV; a PDF alone makes none."""
    answer = ask(shelf, "/api/v1/cvs/stranger/pdf/")
    check_error(answer, 404, "CV not found", {"person": "stranger"})


@pytest.mark.parametrize("value, first, last", [
    ("bytes=0-3", 0, 3), ("bytes=0-0", 0, 0), ("bytes=5-", 5, SIZE - 1), ("bytes=-5", SIZE - 5, SIZE - 1),
    (f"bytes=0-{SIZE - 1}", 0, SIZE - 1), (f"bytes=0-{SIZE + 5}", 0, SIZE - 1),
    (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1), (f"bytes=-{SIZE + 5}", 0, SIZE - 1),
    ("bytes=10-99999999999999999999999", 10, SIZE - 1), ("bytes=-99999999999999999999", 0, SIZE - 1),
    ("Bytes=1-2", 1, 2),
])
def test_ranges(service, value, first, last):
    """206 with just these bytes and the headers of the whole."""
    answer = ask(service, URL, headers={"Range": value})
    whole = ask(service, URL)
    assert answer.status == 206
    assert answer.body == RAMIN[first:last + 1]
    assert answer.header("Content-Range") == f"bytes {first}-{last}/{SIZE}"
    for name in ("ETag", "Content-Type", "Cache-Control", "Content-Disposition", "Content-Language",
                 "Accept-Ranges"):
        assert answer.header(name) == whole.header(name)


@pytest.mark.parametrize("value", [
    f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 1}", "bytes=-0", "bytes=99999999999999999999999-",
    f"bytes={2**64}-", f"bytes={2**64 + 1}-{2**64 + 2}"])
def test_unsatisfiable(service, value):
    """416 with the size."""
    answer = ask(service, URL, headers={"Range": value})
    check_error(answer, 416, "Range Not Satisfiable")
    assert answer.header("Content-Range") == f"bytes */{SIZE}"


@pytest.mark.parametrize("value", [
    "bytes=5-2", "bytes=", "bytes=-", "bytes=x-y", "bytes=1", "items=0-3", "0-3", "bytes=+1-2",
    "bytes=0-1,3-4", "bytes=0-0,-1", "bytes=0x1-2", "", "bytes=1-2-3", "bytes:0-3",
    "bytes=" + ",".join(["0-"] * 200),
])
def test_ranges_not_understood_or_several(service, value):
    """Whatever is not one valid byte range gives the whole."""
    answer = ask(service, URL, headers={"Range": value})
    assert answer.status == 200 and answer.body == RAMIN
    assert answer.header("Content-Range") is None


def test_if_range(service):
    """A range counts only for the same, strongly compared representation."""
    tag = ask(service, URL).header("ETag")
    for value, status in ((tag, 206), ('"other"', 200), ("W/" + tag, 200),
                          ("Thu, 01 Jan 1970 00:00:00 GMT", 200), ("*", 200)):
        answer = ask(service, URL, headers={"Range": "bytes=0-3", "If-Range": value})
        assert answer.status == status, value
        assert answer.body == (RAMIN[:4] if status == 206 else RAMIN)
    headers = {"Range": f"bytes={SIZE}-", "If-Range": '"other"'}
    assert ask(service, URL, headers=headers).status == 200


def test_range_of_an_unchanged_file(service):
    """If-None-Match is looked at before Range."""
    tag = ask(service, URL).header("ETag")
    answer = ask(service, URL, headers={"Range": "bytes=0-3", "If-None-Match": tag})
    assert answer.status == 304


def test_ranges_are_for_get(service):
    """RFC 9110 defines ranges for GET only; HEAD tells of the whole."""
    answer = ask(service, URL, "HEAD", headers={"Range": "bytes=0-3"})
    assert answer.status == 200 and answer.header("Content-Length") == str(SIZE)


@pytest.mark.parametrize("target", ["/api/v1/cvs/", "/api/v1/cvs/ramin/", "/api/v1/openapi.json"])
@pytest.mark.parametrize("value", ["bytes=0-3", "bytes=999999999-"])
def test_no_ranges_of_json(service, target, value):
    """Ranges work on files; JSON answers are whole."""
    answer = ask(service, target, headers={"Range": value})
    assert answer.status == 200 and answer.body == ask(service, target).body


def test_etags_of_languages_differ(service):
    """Each language's PDF has its own ETag."""
    tags = {ask(service, URL + query).header("ETag") for query in ("", "?lang=de")}
    assert len(tags) == 2
