"""Every CV body, byte for byte, against an independent reading of the files.

Contract: "CV content is served with the file's own key order, number spelling and escapes, only
insignificant whitespace removed", the sections, the languages and the four focus rules.
"""
import json
from urllib.parse import quote, quote_plus

import pytest

import oracle
import samples
from service import SAMPLE, running, write_cvs
from wire import ask

ALL_SECTIONS = (None, *oracle.SECTIONS, "workshop_and_certifications")
SAMPLE_CVS = {path.name: path.read_bytes() for path in (SAMPLE / "cvs").glob("*.json")}
RULE_CVS = {
    f"rule{number}.json": samples.cv(more="," + rule[1])
    for number, rule in enumerate(samples.FOCUS_RULES)}
UNKNOWN = "Underwater Basket Weaving"


def cases(cvs, languages_of):
    """Person × asked language × section × focus for the files given."""
    for person, languages in sorted(oracle.people(cvs).items()):
        for asked in languages_of(languages):
            served = oracle.served(languages, asked)
            if served is None:
                continue
            data = cvs[languages[served]]
            for focus in dict.fromkeys((None, "Full CV", *oracle.foci(data), UNKNOWN)):
                if focus is None or len(focus.encode()) <= 64:
                    for section in ALL_SECTIONS:
                        yield person, asked, served, languages[served], section, focus


def every_language(_):
    """Each language that can be asked for, and none."""
    return (None, *oracle.LANGUAGES)


def own_languages(languages):
    """No language, and those that the person has."""
    return (None, *sorted(languages))


def name(case):
    """A readable test id."""
    person, asked, _, _, section, focus = case
    return f"{person[:16]}-{asked or 'default'}-{section or 'whole'}-{focus or 'none'}"


def target(person, section=None, lang=None, focus=None, spell=quote):
    """The URL of a CV or section."""
    path = f"/api/v1/cvs/{person}/" + (f"{section}/" if section else "")
    query = [f"lang={lang}"] if lang else []
    query += [f"focus={spell(focus, safe='')}"] if focus is not None else []
    return path + ("?" + "&".join(query) if query else "")


def check(service, cvs, case):
    """Asks for one case and compares with the file."""
    person, asked, served, file, section, focus = case
    answer = ask(service, target(person, section, asked, focus))
    expected = oracle.body(cvs[file], section, focus)
    if expected is None:
        assert answer.status == 404
        detail = {"person": person, "section": section}
        assert answer.json()["error"]["detail"] == detail
        return
    assert answer.status == 200
    assert answer.body == expected
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Content-Language") == served
    json.loads(answer.body.decode("utf-8"))


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A service over CVs of unusual spellings."""
    folder = tmp_path_factory.mktemp("odd")
    write_cvs(folder, {**samples.ODD, **RULE_CVS})
    with running(folder) as started:
        yield started


@pytest.mark.parametrize("case", cases(SAMPLE_CVS, every_language), ids=name)
def test_sample_bodies(service, case):
    """The sample: every person, language, section and focus."""
    check(service, SAMPLE_CVS, case)


@pytest.mark.parametrize("case", cases(samples.ODD, own_languages), ids=name)
def test_odd_bodies(odd, case):
    """CVs with unusual spellings, tags in unusual places, and every way to name a file."""
    check(odd, samples.ODD, case)


@pytest.mark.parametrize("number", range(len(samples.FOCUS_RULES)),
                         ids=[rule[0] for rule in samples.FOCUS_RULES])
def test_focus_rules(odd, number):
    """Each focus rule, with the expected text written by hand."""
    _, _, focus, left = samples.FOCUS_RULES[number]
    answer = ask(odd, target(f"rule{number}", focus=focus))
    assert answer.body.decode() == f'{{"basics":[{{"fname":"Mina","lname":"Test"}}],{left}}}'


@pytest.mark.parametrize("spell", [quote, quote_plus])
@pytest.mark.parametrize("focus", oracle.foci(samples.SPELT_TAGS.encode()))
def test_focus_spellings(odd, focus, spell):
    """A focus is decoded once, `+` is a space, and compared exactly as decoded text."""
    data = samples.SPELT_TAGS.encode()
    answer = ask(odd, target("spelt", "projects", focus=focus, spell=spell))
    assert answer.status == 200
    assert answer.body == oracle.body(data, "projects", focus)
    assert len(answer.json()["projects"]) in (1, 2), "each of these tags is on one or two items"


@pytest.mark.parametrize("raw, focus", [
    ("C%2B%2B", "C++"), ("C++", "C  "), ("C%20%20", "C  "), ("C+%20", "C  "), ("%43%2b%2B", "C++"),
    ("100%25", "100%"), ("100%2525", "100%25"), ("full%20cv", "full cv"), ("full+cv", "full cv"),
    ("+A", " A"), ("A", "A"), ("R%26D%3Dx%3By%23z%3F%2F", "R&D=x;y#z?/"),
    ("R%26D=x;y%23z?/", "R&D=x;y#z?/"), ("%C3%A9", "é"), ("e%CC%81", "e\u0301"),
    ("%F0%9F%98%80", "😀"), ("a" * 64, "a" * 64), ("%61" * 64, "a" * 64), ("Full%20CV", "Full CV"),
    ("Full+CV", "Full CV"), ("%46ull+%43V", "Full CV"), ("FULL+CV", "FULL CV"),
])
def test_raw_focus(odd, raw, focus):
    """What a client writes into the query, and the text it means."""
    answer = ask(odd, f"/api/v1/cvs/spelt/?focus={raw}")
    assert answer.body == oracle.body(samples.SPELT_TAGS.encode(), None, focus)


@pytest.mark.parametrize("section", ALL_SECTIONS[1:])
def test_a_section_is_a_slice_of_the_whole(service, section):
    """A section is an object with one key, and its text is part of the whole CV's text."""
    whole = ask(service, "/api/v1/cvs/ramin/").body
    part = ask(service, f"/api/v1/cvs/ramin/{section}/").body
    key = oracle.ALIASES.get(section, section)
    assert list(json.loads(part)) == [key]
    assert part[1:-1] in whole


def test_spellings_stay(odd):
    """`3.50` stays `3.50`, `1E5` stays `1E5`, an escape stays an escape."""
    numbers = ask(odd, "/api/v1/cvs/numbers/").body
    for spelling in (b"3.50,", b":1E5}", b":1e5}", b":1e+05}", b":-0,", b":-0.0}", b":1e-400}",
                     b"12345678901234567890123}", b'"10":10,"9":9,"":'):
        assert spelling in numbers
    strings = ask(odd, "/api/v1/cvs/strings/").body
    for spelling in (rb'"Ren\u00e9"', rb'"esc\u0061ped"', rb"\u00E9 \u00e9 ", rb"\ud83d\ude00",
                     rb"\u0000", rb"\/", rb'"educ\u0061tion":['):
        assert spelling in strings


def test_both_english_files(odd):
    """Where both exist, PERSON.json comes before PERSON_en.json."""
    assert ask(odd, "/api/v1/cvs/both/?lang=en").json()["source"] == "both.json"
    assert ask(odd, "/api/v1/cvs/both/").json()["source"] == "both.json"
    health = ask(odd, "/api/v1/health/").json()["checks"]["cv_data"]
    assert health["status"] == "warn" and "both_en.json" in json.dumps(health)
