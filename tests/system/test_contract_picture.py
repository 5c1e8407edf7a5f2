"""Contract, `GET /api/v1/cvs/{person}/picture/`."""
import os
import re

import pytest

from expect import check_error
from samples import cv
from service import SAMPLE, running, write_cvs
from wire import ask

CONTENT = {
    "jp.jpg": b"\xff\xd8\xff jpg", "je.jpeg": b"\xff\xd8\xff jpeg", "pn.png": b"\x89PNG\r\n\x1a\n",
    "we.webp": b"RIFF\x04\0\0\0WEBP", "gi.gif": b"GIF89a", "sv.svg": b"<svg/>", "stranger.png": b"\x89PNG",
    "ramin.PNG": b"\x89PNG"}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """One person a kind of picture, and some without."""
    folder = tmp_path_factory.mktemp("gallery")
    people = ("jp", "je", "pn", "we", "gi", "sv", "ramin", "nopic", "link", "dir")
    data = write_cvs(folder, {f"{name}.json": cv(name) for name in people})
    for name, content in CONTENT.items():
        (data / "pics" / name).write_bytes(content)
    (folder / "secret.png").write_bytes(b"outside")
    os.symlink(folder / "secret.png", data / "pics" / "link.png")
    (data / "pics" / "dir.png").mkdir()
    with running(folder) as started:
        yield started


@pytest.mark.parametrize("person, file, kind", [
    ("mahsa", "mahsa.png", "image/png"), ("ramin", "ramin.jpg", "image/jpeg")])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_sample(service, person, file, kind, method):
    """The file's bytes, its type and a day of caching; no language."""
    expected = (SAMPLE / "pics" / file).read_bytes()
    answer = ask(service, f"/api/v1/cvs/{person}/picture/", method)
    assert answer.status == 200
    assert answer.body == (expected if method == "GET" else b"")
    assert answer.header("Content-Length") == str(len(expected))
    assert answer.header("Content-Type") == kind
    assert answer.header("Cache-Control") == "public, max-age=86400"
    assert answer.header("Content-Language") is None
    assert answer.header("Content-Disposition") is None
    assert re.fullmatch('"[^"]+"', answer.header("ETag"))


@pytest.mark.parametrize("person, file, kind", [
    ("jp", "jp.jpg", "image/jpeg"), ("je", "je.jpeg", "image/jpeg"), ("pn", "pn.png", "image/png"),
    ("we", "we.webp", "image/webp")])
def test_kinds(gallery, person, file, kind):
    """jpg, jpeg, png and webp."""
    answer = ask(gallery, f"/api/v1/cvs/{person}/picture/")
    assert (answer.status, answer.header("Content-Type")) == (200, kind)
    assert answer.body == CONTENT[file]


@pytest.mark.parametrize("person", ["nopic", "gi", "sv"])
def test_no_picture(gallery, person):
    """404 "Profile picture not found", also for kinds that are not served."""
    answer = ask(gallery, f"/api/v1/cvs/{person}/picture/")
    check_error(answer, 404, "Profile picture not found", {"person": person})


@pytest.mark.parametrize("person", ["link", "dir"])
def test_nothing_but_files_of_the_folder(gallery, person):
    """A link out of the folder and a directory are no pictures."""
    answer = ask(gallery, f"/api/v1/cvs/{person}/picture/")
    check_error(answer, 404, "Profile picture not found", {"person": person})


@pytest.mark.parametrize("person", ["stranger", "nobody"])
def test_unknown_person(gallery, person):
    """An unknown person is "CV not found" here too, even with a picture."""
    answer = ask(gallery, f"/api/v1/cvs/{person}/picture/")
    check_error(answer, 404, "CV not found", {"person": person})


@pytest.mark.parametrize("value, part", [
    ("bytes=0-7", slice(0, 8)), ("bytes=-4", slice(-4, None)), ("bytes=100-", slice(100, None))])
def test_ranges(service, value, part):
    """Ranges as with the PDF."""
    expected = (SAMPLE / "pics" / "mahsa.png").read_bytes()
    answer = ask(service, "/api/v1/cvs/mahsa/picture/", headers={"Range": value})
    assert answer.status == 206 and answer.body == expected[part]
    assert answer.header("Content-Range").endswith(f"/{len(expected)}")
    assert answer.header("Accept-Ranges") == "bytes"


def test_unsatisfiable(service):
    """416 with the size."""
    answer = ask(service, "/api/v1/cvs/mahsa/picture/", headers={"Range": "bytes=99999999-"})
    check_error(answer, 416, "Range Not Satisfiable")
    size = len((SAMPLE / "pics" / "mahsa.png").read_bytes())
    assert answer.header("Content-Range") == f"bytes */{size}"
