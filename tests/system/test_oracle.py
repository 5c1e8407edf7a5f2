"""The tests' own tools: the reader of CV files and the splitter of answers."""
import json

import pytest

import oracle
import samples
from service import SAMPLE
from wire import Malformed, parse_responses

FILES = sorted((SAMPLE / "cvs").glob("*.json"))
TEXTS = [(path.name, path.read_bytes()) for path in FILES] + sorted(samples.ODD.items())


def in_order(data):
    """JSON with objects as lists of pairs, so that order counts."""
    return json.loads(data.decode("utf-8"), object_pairs_hook=lambda pairs: ("object", pairs))


def test_the_sample_is_there():
    """The locked CVs are found; a wrong folder would make every list below empty."""
    names = [path.name for path in FILES]
    assert {"mahsa.json", "ramin.json", "ramin_de.json", "ramin_fa.json"} <= set(names)


@pytest.mark.parametrize("data", [pair[1] for pair in TEXTS], ids=[pair[0] for pair in TEXTS])
def test_minified_means_the_same(data):
    """Same values in the same order, no whitespace outside of strings, and stable."""
    small = oracle.body(data)
    assert in_order(small) == in_order(data)
    assert oracle.body(small) == small
    assert len(small) <= len(data)
    outside = oracle.STRING.sub('""', small.decode("utf-8"))
    assert not any(mark in outside for mark in " \t\r\n")


@pytest.mark.parametrize("data", [pair[1] for pair in TEXTS], ids=[pair[0] for pair in TEXTS])
def test_only_whitespace_is_removed(data):
    """Every token keeps its spelling: without whitespace both texts are the same."""
    def squeezed(text):
        return "".join(text.decode("utf-8").split())

    assert squeezed(oracle.body(data)) == squeezed(data)


@pytest.mark.parametrize("data", [pair[1] for pair in TEXTS], ids=[pair[0] for pair in TEXTS])
def test_foci_are_what_json_finds(data):
    """The tags found are those that the standard library's reader finds."""
    found = set()

    def walk(node):
        if isinstance(node, dict) and isinstance(node.get("type_key"), list):
            found.update(tag for tag in node["type_key"] if isinstance(tag, str))
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(child)

    walk(json.loads(data.decode("utf-8")))
    assert oracle.foci(data) == sorted(found)


@pytest.mark.parametrize(
    "members, focus, left", [rule[1:] for rule in samples.FOCUS_RULES],
    ids=[rule[0] for rule in samples.FOCUS_RULES])
def test_focus_rules(members, focus, left):
    """Each rule of the focus filter, with the expected text written by hand."""
    assert oracle.body(f"{{{members}}}".encode(), focus=focus) == f"{{{left}}}".encode()


@pytest.mark.parametrize("text", [
    "{", "[1,]", '{"a":1,}', "01", "1.", "+1", ".5", "NaN", "'a'", '"\\x"', '"\t"', "1 2", "tru",
    '{"a" 1}', "[1 2]", '{a:1}', "/**/1", ""])
def test_the_reader_refuses(text):
    """The oracle reads JSON and nothing else."""
    with pytest.raises(ValueError):
        oracle.read(text.encode())


@pytest.mark.parametrize("spelling, text", [
    (r'"\u00e9"', "é"), (r'"\ud83d\ude00"', "😀"), (r'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
    (r'"\\u0041"', r"\u0041"), ('""', "")])
def test_decoded_strings(spelling, text):
    """Escapes mean what they mean to the standard library."""
    assert oracle.decode(spelling) == text == json.loads(spelling)


def test_file_names():
    """Person and language of a file name; the short English name comes first."""
    names = ["a.json", "a_en.json", "b_en.json", "c_fa.json", "d_it.json", "a_de.json"]
    assert oracle.people(names) == {
        "a": {"en": "a.json", "de": "a_de.json"}, "b": {"en": "b_en.json"},
        "c": {"fa": "c_fa.json"}, "d_it": {"en": "d_it.json"}}
    assert oracle.served({"en": "", "de": ""}, "de") == "de"
    assert oracle.served({"en": "", "de": ""}, "fa") == oracle.served({"en": ""}) == "en"
    assert oracle.served({"fa": ""}, "de") is oracle.served({"fa": ""}) is None


def test_splitter_reads_several():
    """Bodies by Content-Length; none for HEAD, 204 and 304."""
    data = (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\r\n\r\nhi"
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
            b"HTTP/1.1 204 No Content\r\n\r\n"
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n")
    found = parse_responses(data, ["GET", "HEAD", "OPTIONS", "GET"])
    assert [(answer.status, answer.body) for answer in found] == [
        (200, b"hi"), (200, b""), (204, b""), (304, b"")]
    assert found[0].header("x") == "a" and found[0].header("y") is None
    assert parse_responses(b"") == []


@pytest.mark.parametrize("data", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\nC: d\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhixx",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"garbage\r\n\r\n",
])
def test_splitter_is_strict(data):
    """Anything not well formed is an error, never skipped."""
    with pytest.raises(Malformed):
        parse_responses(data)
