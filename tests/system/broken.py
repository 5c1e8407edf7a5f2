"""Kinds of broken CV files: what each holds, and where the complaint must point."""
import os
import socket
from typing import NamedTuple, Optional

from samples import cv

LIMIT = 16 * 1024 * 1024
FIRST_LINES = b'{\n"basics": [{"fname": "A", "lname": "B"}],\n'


class Kind(NamedTuple):
    """One kind: its name, how to make the file, the line and the JSON pointer to be told."""

    name: str
    content: object
    line: Optional[int] = None
    pointer: Optional[str] = None

    def make(self, path):
        """Writes the file."""
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)


def third(text, pointer=None, name=None):
    """A CV that is fine but for its third line."""
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return Kind(name or data.decode("latin-1")[:40], FIRST_LINES + data + b"\n}\n", 3, pointer)


def nested(depth):
    """A CV of this depth; the root object is depth 1, `skills` is depth 2."""
    return f'"skills": {"[" * (depth - 1)}{"]" * (depth - 1)}'


def padded(size):
    """A good CV of exactly this size."""
    start = cv("Big")
    return start + b" " * (size - len(start))


def sparse(path):
    """50 MB that take no room on the disk."""
    path.touch()
    os.truncate(path, 50_000_000)


def unix_socket(path):
    """A socket file; its path may be too long to bind to, the folder's is not."""
    link = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    try:
        os.chdir(path.parent)
        link.bind(path.name)
    finally:
        os.chdir(here)
        link.close()


def link_out(path):
    """A link to a good CV outside of the folder."""
    outside = path.parent.parent / "outside.json"
    outside.write_bytes(cv("Outside"))
    path.symlink_to(outside)


SYNTAX = [
    third('"education": [{"area": "x",}]'), third('"education": [{"area": "x"},]'),
    third('"education": [,]'), third('"a": 1,,'), third('"education": [] // a comment'),
    third('"education": [] /* a comment */'), third('# a comment'), third("'education': []"),
    third("\"area\": 'x'"), third("education: []"), third('"a": 01'), third('"a": -01'), third('"a": +1'),
    third('"a": .5'), third('"a": 1.'), third('"a": 1e'), third('"a": 1e+'), third('"a": -'),
    third('"a": 0x1F'), third('"a": 1_000'), third('"a": NaN'), third('"a": Infinity'),
    third('"a": -Infinity'), third('"a": True'), third('"a": nul'), third('"a": undefined'),
    third('"a" 1'), third('"a": 1 "b": 2'), third('"a": [1 2]'), third('"a": "\\x41"'),
    third('"a": "\\u12G4"'), third('"a": "\\u12"'), third('"a": "\\"'), third('"a": {]'), third('"a": [}'),
    third('1: 2'), third('"a": {"b"}'), third('"a": {"b":}'), third('"a": \u00a01'), third('"a": \u20281'),
]
BYTES = [
    third(b'"a": "tab\there"', name="raw tab"), third(b'"a": "line\nhere"', name="raw line feed"),
    third(b'"a": "nul\0here"', name="raw NUL"), third(b'"a": "esc\x1bhere"', name="raw control"),
    third(b'\x01"a": 1', name="control between"), third(b'"a": 1\0', name="NUL between"),
    third(b'\x0c"a": 1', name="form feed between"), third(b'"a": "\xff"', name="not UTF-8"),
    third(b'"a": "\xc3"', name="cut UTF-8"), third(b'"a": "\xc0\xaf"', name="overlong UTF-8"),
    third(b'"a": "\xed\xa0\x80"', name="surrogate in UTF-8"), third(b'"a": "\xe9"', name="Latin-1"),
    third(b'"a": "\xf4\x90\x80\x80"', name="beyond Unicode"), third(b'"\xff": 1', name="key not UTF-8"),
    third(b'"a": \xa0', name="stray high byte"),
]
VALUES = [
    third('"education": [{"gpa": 1e999}]', "/education/0/gpa"),
    third('"education": [{"gpa": 3.5}, {"gpa": -1e999}]', "/education/1/gpa"),
    third(f'"a": 1{"0" * 400}', "/a", "400 digits"),
    third('"education": [{"area": 1, "area": 2}]', "/education/0/area"),
    third('"education": [{"area": 1, "ar\\u0065a": 2}]', "/education/0/area"),
    third('"basics": [{"fname": "C", "lname": "D"}]', "/basics", "basics twice"),
    third('"a": {"": 1, "": 2}', "/a/"), third('"a": {"x/y~z": 1, "x/y~z": 2}', "/a/x~1y~0z"),
    third('"a": {"b": [[], {"c": "\\ud800"}]}', "/a/b/1/c"), third('"a": "\\udc00\\ud800"', "/a"),
    third('"a": "\\ud83dx"', "/a"), third('"a": {"\\ud83d": 1}'),
    third(nested(33), "/skills/0/0/0", "33 deep"),
    third('"education": {}', "/education"), third('"projects": "x"', "/projects"),
    third('"skills": "x"', "/skills"), third('"skills": 1', "/skills"), third('"references": null', "/references"),
    third('"languages": true', "/languages"),
    third('"workshop_and_certifications": {}', "/workshop_and_certifications"),
]
BASICS = [
    Kind("no basics", b'{"education": []}'), Kind("empty object", b"{}"),
    Kind("basics an object", b'{\n"basics": {"fname": "A", "lname": "B"}}', 2, "/basics"),
    Kind("basics empty", b'{\n"basics": []}', 2, "/basics"),
    Kind("basics null", b'{\n"basics": null}', 2, "/basics"),
    Kind("basics of text", b'{\n"basics": ["A B"]}', 2, "/basics/0"),
    Kind("no fname", b'{\n"basics": [{"lname": "B"}]}', 2, "/basics/0"),
    Kind("no lname", b'{\n"basics": [{"fname": "A"}]}', 2, "/basics/0"),
    Kind("fname a number", b'{\n"basics": [{"fname": 1, "lname": "B"}]}', 2, "/basics/0/fname"),
    Kind("fname empty", b'{\n"basics": [{"fname": "", "lname": "B"}]}', 2, "/basics/0/fname"),
    Kind("lname null", b'{\n"basics": [{"fname": "A", "lname": null}]}', 2, "/basics/0/lname"),
    Kind("lname empty", b'{\n"basics": [{"fname": "A",\n"lname": ""}]}', 3, "/basics/0/lname"),
    Kind("root a list", b'[{"basics": [{"fname": "A", "lname": "B"}]}]', 1),
    Kind("root a string", b'"x"', 1), Kind("root a number", b"1", 1), Kind("root null", b"null", 1),
]
WHOLE = [
    Kind("empty", b""), Kind("white", b" \n\t\r\n"), Kind("one brace", b"{", 1),
    Kind("half written", FIRST_LINES + b'"education": [{"area": "Bio', 3),
    Kind("cut behind a comma", cv()[:-1] + b","), Kind("no end", FIRST_LINES + b'"a": [1,\n2', 4),
    Kind("text behind", cv() + b"\nx", 2), Kind("brace behind", cv() + b"\n}", 2),
    Kind("two values", cv() + b"\n" + cv(), 2), Kind("comma behind", cv() + b",", 1),
    Kind("NUL behind", cv() + b"\0", 1),
    Kind("BOM", b"\xef\xbb\xbf" + cv(), 1), Kind("UTF-16", cv().decode().encode("utf-16"), 1),
    Kind("UTF-16 without BOM", cv().decode().encode("utf-16-le"), 1), Kind("gzip", b"\x1f\x8b\x08\0\0", 1),
    Kind("one byte too large", padded(LIMIT + 1)), Kind("50 MB", sparse),
    Kind("many brackets", b"[" * 1_000_000, 1), Kind("many braces", b'{"a":' * 1_000_000, 1),
]
NO_FILES = [
    Kind("directory", lambda path: path.mkdir()), Kind("FIFO", os.mkfifo), Kind("socket", unix_socket),
    Kind("link out of the folder", link_out),
    Kind("link to nothing", lambda path: path.symlink_to("nowhere.json")),
    Kind("link to itself", lambda path: path.symlink_to(path.name)),
    Kind("link to a device", lambda path: path.symlink_to("/dev/zero")),
]
if os.geteuid() == 0:
    NO_FILES.append(Kind("device", lambda path: os.mknod(path, 0o20666, os.makedev(1, 5))))

KINDS = SYNTAX + BYTES + VALUES + BASICS + WHOLE + NO_FILES
BAD_NAMES = ("a-b.json", "a b.json", "é.json", "a" * 51 + ".json", "a.b.json", "a+b.json", "_de.json",
             "a~.json")
IGNORED_NAMES = (".hidden.json", "notes.txt", "mina.json.bak", "mina.JSON", "json", ".json", "mina.json~")
