"""An independent reading of CV files: what the service must answer, byte for byte.

The reader keeps every token as the file spells it. Nothing here knows how the service works.
"""
import re
from functools import lru_cache
from typing import NamedTuple

LANGUAGES = ("en", "de", "fa")
SECTIONS = (
    "basics", "profiles", "education", "experiences", "skills", "projects", "publications",
    "languages", "certifications", "references",
)
ALIASES = {"certifications": "workshop_and_certifications"}
SECTION_KEYS = tuple(ALIASES.get(name, name) for name in SECTIONS)

SPACE = re.compile(r"[ \t\n\r]*")
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})|(.))')
SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Scalar(NamedTuple):
    """A string, number or literal as the file spells it."""

    spelling: str


class Array(NamedTuple):
    """The elements in their order."""

    items: tuple


class Object(NamedTuple):
    """Pairs of key (as spelt, with its quotes) and value, in their order."""

    members: tuple


class Reader:
    """Reads one JSON text into Scalar, Array and Object."""

    def __init__(self, text):
        self.text = text
        self.place = 0

    def document(self):
        """The one value of the text."""
        value = self.value()
        self.space()
        if self.place != len(self.text):
            raise ValueError(f"text behind the value at {self.place}")
        return value

    def space(self):
        self.place = SPACE.match(self.text, self.place).end()

    def peek(self):
        self.space()
        return self.text[self.place:self.place + 1]

    def expect(self, mark):
        if self.peek() != mark:
            raise ValueError(f"{mark!r} expected at {self.place}")
        self.place += 1

    def token(self, pattern):
        self.space()
        found = pattern.match(self.text, self.place)
        if not found:
            raise ValueError(f"no token at {self.place}")
        self.place = found.end()
        return found[0]

    def value(self):
        first = self.peek()
        if first == "{":
            return Object(self.several("{", "}", self.member))
        if first == "[":
            return Array(self.several("[", "]", self.value))
        return Scalar(self.token(STRING if first == '"' else PLAIN))

    def member(self):
        key = self.token(STRING)
        self.expect(":")
        return key, self.value()

    def several(self, opening, closing, read):
        self.expect(opening)
        found = []
        while self.peek() != closing:
            if found:
                self.expect(",")
            found.append(read())
        self.expect(closing)
        return tuple(found)


@lru_cache(maxsize=128)
def read(data):
    """The tree of a file's bytes."""
    return Reader(data.decode("utf-8")).document()


def write(node):
    """The minified text of a tree: only the whitespace between tokens is gone."""
    if isinstance(node, Scalar):
        return node.spelling
    if isinstance(node, Array):
        return "[" + ",".join(map(write, node.items)) + "]"
    return "{" + ",".join(f"{key}:{write(value)}" for key, value in node.members) + "}"


def decode(spelling):
    """The text that a string token means."""
    def meaning(found):
        if found[1]:
            return chr(int(found[1], 16))
        return SHORT.get(found[2], found[2])

    text = ESCAPE.sub(meaning, spelling[1:-1])
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def tags(node):
    """The texts of an object's `type_key` list; None for anything untagged."""
    if isinstance(node, Object):
        for key, value in node.members:
            if decode(key) == "type_key" and isinstance(value, Array):
                strings = [item.spelling for item in value.items if isinstance(item, Scalar)]
                return {decode(text) for text in strings if text.startswith('"')}
    return None


def keep(node, focus, in_tagged=False):
    """What the filter leaves of a value; None when it takes the value away.

    A group that is a member of a tagged object stays, even when it ends empty.
    """
    if isinstance(node, Scalar):
        return node
    tagged = tags(node)
    if tagged is not None and focus not in tagged:
        return None
    if isinstance(node, Array):
        kept = tuple(item for item in (keep(item, focus) for item in node.items) if item is not None)
        took_one, result = len(kept) < len(node.items), Array(kept)
        counts = len(kept)
    else:
        filtered = ((key, keep(value, focus, tagged is not None)) for key, value in node.members)
        kept = tuple((key, value) for key, value in filtered if value is not None)
        took_one, result = len(kept) < len(node.members), Object(kept)
        counts = sum(not isinstance(value, Scalar) for _, value in kept)
    return None if tagged is None and took_one and counts == 0 and not in_tagged else result


def focused(root, focus):
    """The whole CV for one focus: the root and the ten section keys always stay."""
    if focus in (None, "Full CV"):
        return root
    members = []
    for key, value in root.members:
        kept = keep(value, focus)
        if kept is None and decode(key) in SECTION_KEYS:
            kept = Array(()) if isinstance(value, Array) else Object(())
        if kept is not None:
            members.append((key, kept))
    return Object(tuple(members))


def body(data, section=None, focus=None):
    """The exact bytes of an answer; None when the CV has no such section."""
    root = focused(read(data), focus)
    if section is not None:
        key = ALIASES.get(section, section)
        root = Object(tuple(pair for pair in root.members if decode(pair[0]) == key))
        if not root.members:
            return None
    return write(root).encode("utf-8")


def foci(data):
    """Every text that any `type_key` list of the file holds, sorted."""
    found = set()

    def walk(node):
        found.update(tags(node) or ())
        for child in getattr(node, "items", ()) if isinstance(node, Array) else ():
            walk(child)
        for _, child in node.members if isinstance(node, Object) else ():
            walk(child)

    walk(read(data))
    return sorted(found)


def people(names):
    """Person → language → file name, from the names of the files in the folder."""
    found = {}
    for name in sorted(names):
        stem = name[:-len(".json")]
        tail = stem[-3:]
        person, language = (stem[:-3], tail[1:]) if tail in ("_en", "_de", "_fa") else (stem, "en")
        languages = found.setdefault(person, {})
        if language not in languages or stem == person:
            languages[language] = name
    return found


def served(languages, asked=None):
    """The language really served: the asked one, else English, else None."""
    for language in (asked or "en", "en"):
        if language in languages:
            return language
    return None
