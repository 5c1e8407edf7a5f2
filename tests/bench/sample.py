"""The CVs that the benchmark serves, sized so that the three works answer 25, 1,434 and 51,200 bytes."""

import json
from pathlib import Path

SECTION_BYTES = 1434  # 1.4 KB
CV_BYTES = 50 * 1024

TEXT = "Careful engineering meets the everyday reality of a laboratory and its instruments. "


def minified(value) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def pad(entry: dict, key: str, whole, size: int) -> None:
    """Lengthens the text entry[key] until `whole`, which holds it, takes `size` bytes minified."""
    missing = size - len(minified(whole))
    if missing < 0:
        raise ValueError(f"{-missing} bytes more than {size}")
    entry[key] += (TEXT * (missing // len(TEXT) + 1))[:missing]  # ASCII: a character is a byte


def large_cv() -> dict:
    education = [
        {"institution": f"Universität {n}", "gpa": 3.5, "summary": TEXT, "type_key": ["Academic"]}
        for n in range(5)
    ]
    pad(education[-1], "summary", {"education": education}, SECTION_BYTES)
    projects = [
        {"title": f"Project {n}", "year": 2000 + n % 25, "summary": TEXT * 2, "type_key": ["Robotics"]}
        for n in range(150)
    ]
    cv = {
        "basics": [{"fname": "Ramin", "lname": "Example", "summary": ""}],
        "education": education,
        "projects": projects,
    }
    pad(cv["basics"][0], "summary", cv, CV_BYTES)
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
