"""Contract, "validators": strong ETags, If-None-Match, 304 with the same headers."""
import itertools
import re

import pytest

from expect import CANONICAL, stable
from oracle import SECTIONS
from samples import cv
from wire import ask

STRONG = re.compile(r'"[\x21\x23-\x7e]+"')
WITH_ETAG = tuple(target for target in CANONICAL if "health" not in target)
CODINGS = ("identity", "br", "gzip")


def etag(service, target, **more):
    """The ETag of a 200 answer."""
    answer = ask(service, target, **more)
    assert answer.status == 200
    return answer.header("ETag")


@pytest.mark.parametrize("target", WITH_ETAG)
@pytest.mark.parametrize("coding", CODINGS)
def test_etags_are_strong_and_stable(service, target, coding):
    """A strong ETag, the same for the same representation, on GET and HEAD."""
    if coding != "identity" and not ask(
            service, target, headers={"Accept-Encoding": coding}).header("Content-Encoding"):
        coding = "identity"
    headers = {"Accept-Encoding": coding}
    found = etag(service, target, headers=headers)
    assert STRONG.fullmatch(found)
    assert found == etag(service, target, headers=headers)
    assert found == ask(service, target, "HEAD", headers=headers).header("ETag")


def test_health_has_no_validator(service):
    """The health report is never stored, so it is never revalidated."""
    assert ask(service, "/api/v1/health/").header("ETag") is None


def test_etags_differ(service):
    """Person, language, section, focus and content coding each make another ETag."""
    seen = {}
    foci = ("", "Programming", "Academic", "Nothing Of The Kind")
    languages = (("ramin", "en"), ("ramin", "de"), ("ramin", "fa"), ("mahsa", "en"))
    for (person, lang), section, focus, coding in itertools.product(
            languages, ("", *SECTIONS), foci, CODINGS):
        target = f"/api/v1/cvs/{person}/" + (section and section + "/")
        target += f"?lang={lang}" + (focus and "&focus=" + focus.replace(" ", "+"))
        answer = ask(service, target, headers={"Accept-Encoding": coding})
        assert answer.status == 200
        really = answer.header("Content-Encoding") or "identity"
        seen.setdefault(answer.header("ETag"), set()).add((person, lang, section, focus, really))
    shared = [group for group in seen.values() if len(group) > 1]
    assert not shared, shared[:3]


def test_etag_follows_the_document(start_service):
    """A changed document has another ETag, an untouched one keeps its own."""
    service = start_service(cvs={"ann.json": cv("Ann"), "bob.json": cv("Bob")})
    before = {name: etag(service, f"/api/v1/cvs/{name}/") for name in ("ann", "bob")}
    everybody = etag(service, "/api/v1/cvs/")
    (service.data / "cvs/ann.json").write_bytes(cv("Anne"))
    (service.data / "cvs/cleo.json").write_bytes(cv("Cleo"))
    assert service.load().returncode == 0
    assert etag(service, "/api/v1/cvs/ann/") != before["ann"]
    assert etag(service, "/api/v1/cvs/bob/") == before["bob"]
    assert etag(service, "/api/v1/cvs/") != everybody
    headers = {"If-None-Match": before["ann"]}
    assert ask(service, "/api/v1/cvs/ann/", headers=headers).status == 200


def test_etags_agree_between_instances(start_service):
    """Two instances over the same files, as behind one proxy, give the same ETags."""
    first, second = start_service(), start_service()
    for target in ("/api/v1/", "/api/v1/cvs/", "/api/v1/cvs/mina/", "/api/v1/cvs/mina/education/"):
        assert etag(first, target) == etag(second, target)


@pytest.mark.parametrize("target", WITH_ETAG)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", [
    "{}", "W/{}", "*", '"other", {}', '{}, "other"', '"a", W/"b",{} , "c"', ' , ,{}', '"with, comma", {}',
    'W/"x" ,\tW/{}'])
def test_matches_answer_304(service, target, method, form):
    """A list, `*` and weak comparison; the same headers as the 200, and no body."""
    full = ask(service, target, method)
    headers = {"If-None-Match": form.format(full.header("ETag"))}
    answer = ask(service, target, method, headers=headers)
    assert answer.status == 304 and answer.body == b""
    assert answer.header("X-Request-ID") and answer.header("Date")
    length = ("Content-Length",)
    assert stable(answer, length) == stable(full, length)


@pytest.mark.parametrize("coding", ["br", "gzip"])
def test_304_of_a_coded_answer(service, coding):
    """A coded representation revalidates by its own ETag."""
    headers = {"Accept-Encoding": coding}
    full = ask(service, "/api/v1/cvs/ramin/", headers=headers)
    assert full.header("Content-Encoding") == coding
    answer = ask(service, "/api/v1/cvs/ramin/",
                 headers={**headers, "If-None-Match": full.header("ETag")})
    assert answer.status == 304
    assert stable(answer, ("Content-Length",)) == stable(full, ("Content-Length",))


@pytest.mark.parametrize("target", WITH_ETAG)
@pytest.mark.parametrize("form", [
    '"other"', 'W/"other"', '"a", "b"', "", "no quotes", '"unfinished', "W/", '"*"', "w/{}",
    '""'])
def test_other_values_answer_200(service, target, form):
    """Another ETag, or something that is none, is no match."""
    full = ask(service, target)
    headers = {"If-None-Match": form.format(full.header("ETag"))}
    answer = ask(service, target, headers=headers)
    assert answer.status == 200 and answer.body == full.body


def test_several_lines_are_one_list(service):
    """Two If-None-Match lines are one list."""
    tag = etag(service, "/api/v1/cvs/")
    for order in (['"x"', tag], [tag, '"x"']):
        lines = [("If-None-Match", value) for value in order]
        assert ask(service, "/api/v1/cvs/", headers=lines).status == 304


@pytest.mark.parametrize("target, other", [
    ("/api/v1/cvs/ramin/", "/api/v1/cvs/ramin/?lang=de"),
    ("/api/v1/cvs/ramin/", "/api/v1/cvs/mahsa/"),
    ("/api/v1/cvs/ramin/", "/api/v1/cvs/ramin/skills/"),
    ("/api/v1/cvs/ramin/", "/api/v1/cvs/ramin/?focus=Programming"),
    ("/api/v1/cvs/", "/api/v1/cvs/?limit=1"),
])
def test_one_urls_etag_is_no_match_for_another(service, target, other):
    """An ETag belongs to one representation."""
    headers = {"If-None-Match": etag(service, target)}
    assert ask(service, other, headers=headers).status == 200


@pytest.mark.parametrize("first, second", itertools.permutations(CODINGS, 2))
def test_one_codings_etag_is_no_match_for_another(service, first, second):
    """A client that now asks for another coding gets it."""
    tag = etag(service, "/api/v1/cvs/ramin/", headers={"Accept-Encoding": first})
    headers = {"Accept-Encoding": second, "If-None-Match": tag}
    assert ask(service, "/api/v1/cvs/ramin/", headers=headers).status == 200


@pytest.mark.parametrize("target, status", [
    ("/api/v1/cvs/nobody/", 404), ("/nothing", 404), ("/api/v1/cvs/ramin/?lang=it", 400),
    ("/api/v1/cvs/ramin/hobbies/", 404), ("/api/v1/cvs", 301)])
def test_errors_are_never_304(service, target, status):
    """`If-None-Match: *` matches only what there is."""
    assert ask(service, target, headers={"If-None-Match": "*"}).status == status
