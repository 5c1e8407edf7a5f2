"""The CVs that the benchmark serves, sized so that the three works answer 25, 1,434 and 51,200 bytes.

Their text is of invented words, so that it takes about a quarter of its size compressed, as real CVs do; the same in
each run.
"""

import json
import random
from pathlib import Path

SECTION_BYTES = 1434  # 1.4 KB
CV_BYTES = 50 * 1024

class Text:
    """Sentences of ASCII, so that a character is a byte."""

    def __init__(self):
        self.random = random.Random(1)
        syllables = [first + vowel for first in "bdfgklmnprst" for vowel in "aeiou"]
        self.vocabulary = ["".join(self.random.choices(syllables, k=2 + n % 4)) for n in range(256)]

    def words(self, size: int) -> str:
        """A text of this many characters."""
        text = ""
        while len(text) < size:
            text += self.random.choice(self.vocabulary) + " "
        return text[:size]


def minified(value) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def pad(entry: dict, key: str, whole, size: int, text: Text) -> None:
    """Lengthens the text entry[key] until `whole`, which holds it, takes `size` bytes minified."""
    missing = size - len(minified(whole))
    if missing < 0:
        raise ValueError(f"{-missing} bytes more than {size}")
    entry[key] += text.words(missing)


def large_cv() -> dict:
    text = Text()
    education = [
        {"institution": f"Universität {n}", "gpa": 3.5, "summary": text.words(84), "type_key": ["Academic"]}
        for n in range(5)
    ]
    pad(education[-1], "summary", {"education": education}, SECTION_BYTES, text)
    projects = [
        {"title": f"Project {n}", "year": 2000 + n % 25, "summary": text.words(168), "type_key": ["Robotics"]}
        for n in range(150)
    ]
    cv = {
        "basics": [{"fname": "Ramin", "lname": "Example", "summary": ""}],
        "education": education,
        "projects": projects,
    }
    pad(cv["basics"][0], "summary", cv, CV_BYTES, text)
    return cv


def write(data: Path) -> dict[str, bytes]:
    """Fills the data folder; returns the body that each work must be answered with."""
    large = large_cv()
    cvs = {"mahsa": {"basics": [{"fname": "Mahsa", "lname": "Example"}]}, "ramin": large}
    for folder in ("cvs", "pdfs", "pics"):
        (data / folder).mkdir(parents=True)
    for person, cv in cvs.items():
        text = json.dumps(cv, ensure_ascii=False, indent=2) + "\n"
        (data / "cvs" / f"{person}.json").write_text(text, encoding="utf-8")
    return {
        "list": minified({"cvs": sorted(cvs)}),
        "section": minified({"education": large["education"]}),
        "cv": minified(large),
    }
