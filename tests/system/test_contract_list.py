"""Contract, `GET /api/v1/cvs/`: everybody, sorted bytewise, in pages."""
import json
import re

import pytest

from samples import cv
from service import running, write_cvs
from wire import ask

NAMES = ("0", "007", "A", "Zed", "_", "_x", "a", "a1", "aB", "a_b", "ab", "b" * 50, "x_it", "zed")
ONLY_OTHER_LANGUAGES = ("farsi", "german")
PEOPLE = sorted(NAMES + ONLY_OTHER_LANGUAGES, key=str.encode)
FILES = {
    **{f"{name}.json": cv(name) for name in NAMES}, "farsi_fa.json": cv("F"), "german_de.json": cv("G"),
    "zed_de.json": cv("Z"), "zed_fa.json": cv("Z"), "zed_en.json": cv("Z"),
    "broken.json": b"{", ".hidden.json": cv("H"), "notes.txt": b"no CV",
}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Names in every order that a sort could get wrong."""
    folder = tmp_path_factory.mktemp("crowd")
    write_cvs(folder, FILES)
    with running(folder) as started:
        yield started


def names(answer):
    """The names in a list answer, whose text is exact."""
    assert answer.status == 200
    found = answer.json()["cvs"]
    assert answer.body.decode() == json.dumps({"cvs": found}, separators=(",", ":"))
    return found


def next_page(answer):
    """The URL of the next page; None on the last."""
    link = answer.header("Link")
    if link is None:
        return None
    found = re.fullmatch(r'<(/api/v1/cvs/\?limit=[0-9]+&after=[A-Za-z0-9_]+)>; rel="next"', link)
    assert found, link
    return found[1]


def test_exact_body(service):
    """The sample has two people."""
    answer = ask(service, "/api/v1/cvs/")
    assert answer.body == b'{"cvs":["mahsa","ramin"]}'
    assert answer.header("Link") is None


def test_everybody_sorted(crowd):
    """Every person with at least one language, sorted bytewise, each once."""
    answer = ask(crowd, "/api/v1/cvs/")
    assert names(answer) == PEOPLE
    assert answer.header("Link") is None


@pytest.mark.parametrize("limit", [*range(1, len(PEOPLE) + 2), 1000])
def test_pages(crowd, limit):
    """Following the links gives everybody once, in order, `limit` at a time."""
    seen, target, pages = [], f"/api/v1/cvs/?limit={limit}", 0
    while target:
        answer = ask(crowd, target)
        page = names(answer)
        seen += page
        pages += 1
        target = next_page(answer)
        assert len(page) == limit or target is None
        if target:
            assert target == f"/api/v1/cvs/?limit={limit}&after={page[-1]}"
    assert seen == PEOPLE
    assert pages == -(-len(PEOPLE) // limit)


@pytest.mark.parametrize("after", [*PEOPLE, "B", "a0", "nobody", "0" * 50, "z" * 50])
def test_after(crowd, after):
    """`after` need not be a name in the list; without a limit everything behind it comes."""
    answer = ask(crowd, f"/api/v1/cvs/?after={after}")
    assert names(answer) == [name for name in PEOPLE if name.encode() > after.encode()]
    assert answer.header("Link") is None


@pytest.mark.parametrize("query", ["limit=3&after=a", "after=a&limit=3", "after=%61&limit=3"])
def test_limit_and_after(crowd, query):
    """Both together, in any order."""
    answer = ask(crowd, f"/api/v1/cvs/?{query}")
    assert names(answer) == [name for name in PEOPLE if name > "a"][:3]


def test_behind_the_last(crowd):
    """Behind the last name there is an empty page, which is no error."""
    answer = ask(crowd, f"/api/v1/cvs/?limit=5&after={PEOPLE[-1]}")
    assert answer.body == b'{"cvs":[]}' and answer.header("Link") is None


def test_head_has_the_link(crowd):
    """HEAD equals GET here too."""
    assert next_page(ask(crowd, "/api/v1/cvs/?limit=2", "HEAD"))


def test_a_page_revalidates(crowd):
    """A page has an ETag, and its 304 the same Link."""
    full = ask(crowd, "/api/v1/cvs/?limit=2")
    answer = ask(crowd, "/api/v1/cvs/?limit=2", headers={"If-None-Match": full.header("ETag")})
    assert answer.status == 304 and answer.header("Link") == full.header("Link")


def test_list_has_no_language(service):
    """The list is in no language."""
    assert ask(service, "/api/v1/cvs/?lang=de").header("Content-Language") is None
