"""Every example of docs/api.md, run with the real curl against the running service.

A ```console block holds commands (`$ curl …`) and what each prints. `…` stands for anything left
out: on a line of its own for any lines, else for any text in the line. Where an answer is shown with
its head, the order of the header fields does not count.
"""
import re
import shutil
import subprocess
from typing import NamedTuple

import pytest

from service import ORIGINS, ROOT, SAMPLE, make_folders, running

PAGE = ROOT / "docs/api.md"
BASE = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^( *)```console\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


class Example(NamedTuple):
    """A block: its line on the page and its commands, each with the output expected."""

    line: int
    steps: list


def parse(text):
    """All blocks of a page."""
    examples = []
    for match in BLOCK.finditer(text):
        indent = len(match[1])
        steps = []
        for line in match[2].splitlines():
            line = line[indent:]
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
        examples.append(Example(text.count("\n", 0, match.start()) + 1, steps))
    return examples


EXAMPLES = parse(PAGE.read_text("utf-8"))


def pattern(lines):
    """A regular expression for lines with `…` in them."""
    parts = [r"(?:[^\n]*\n)*?" if line.strip() == "…" else
             ".*".join(map(re.escape, line.split("…"))) + r"\n" for line in lines]
    return "".join(parts)


def fits(printed, expected):
    """Whether what was printed is what the page shows."""
    if not expected[0].startswith("HTTP/") or not printed.startswith("HTTP/"):
        return re.fullmatch(pattern(expected), printed.rstrip("\n") + "\n") is not None
    head, _, body = printed.replace("\r\n", "\n").partition("\n\n")
    split = expected.index("") if "" in expected else len(expected)
    return head_fits(head.split("\n"), expected[:split]) and (
        fits(body, expected[split + 1:]) if split < len(expected) else body == "")


def head_fits(printed, expected):
    """Status line equal; every field shown is there, and no other unless `…` says so."""
    shown = [line for line in expected[1:] if line != "…"]
    left = printed[1:]
    for line in shown:
        name, _, value = line.partition(":")
        found = [there for there in left if there.partition(":")[0].lower() == name.lower()
                 and re.fullmatch(pattern([value]), there.partition(":")[2] + "\n")]
        if not found:
            return False
        left.remove(found[0])
    return printed[0].strip() == expected[0] and (not left or "…" in expected)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The address of a service over the CVs of the sample, with one PDF and one picture."""
    folder = tmp_path_factory.mktemp("examples")
    data = make_folders(folder)
    for source in (SAMPLE / "cvs").iterdir():
        shutil.copyfile(source, data / "cvs" / source.name)
    (data / "pdfs/ramin.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    (data / "pics/ramin.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with running(folder, {"CORS_ALLOWED_ORIGINS": ORIGINS[0]}) as service:
        yield f"http://{service.address[0]}:{service.address[1]}"


def test_the_page_has_examples():
    """Each block has commands of curl with an output; each endpoint has a block."""
    assert len(EXAMPLES) > 20
    for example in EXAMPLES:
        assert example.steps, f"api.md:{example.line}: no command"
        for command, expected in example.steps:
            assert command.startswith("curl -s"), f"api.md:{example.line}: not curl: {command}"
            assert f"'{BASE}/" in command, f"api.md:{example.line}: another address: {command}"
            assert expected, f"api.md:{example.line}: no output for {command}"
    endpoints = PAGE.read_text("utf-8").split("## Endpoints")[1].split("\n## ")[0]
    for section in endpoints.split("\n### ")[1:]:
        assert BLOCK.search(section), f"no example for {section.splitlines()[0]}"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"line{example.line}")
def test_example(base, tmp_path, example):
    """The commands print what the page says, the address aside."""
    for command, expected in example.steps:
        result = subprocess.run(
            ["bash", "-c", command.replace(BASE, base)], cwd=tmp_path, capture_output=True,
            timeout=30, check=False)
        assert result.returncode == 0, f"curl ended with {result.returncode}: {result.stderr}"
        printed = result.stdout.decode("utf-8").replace(base, BASE)
        assert fits(printed, expected), f"{command}\nprinted:\n{printed}\nexpected:\n" + "\n".join(expected)


@pytest.mark.parametrize("printed, expected, same", [
    ("a", "a", True), ("a\n", "a", True), ("ab", "a", False), ("ab", "a…", True), ("abc", "a…c", True),
    ("a\nb\nc\n", "a\n…", True), ("a\nb\nc\n", "a\n…\nc", True), ("a\nc\n", "a\n…\nc", True),
    ("a\nb\n", "a", False), ("", "a", False), ("a.c", "a.c", True), ("abc", "a.c", False),
    ("HTTP/1.1 200 OK\r\nB: 2\r\nA: 1\r\n\r\nbody", "HTTP/1.1 200 OK\na: 1\nB: 2\n\nbody", True),
    ("HTTP/1.1 200 OK\r\nB: 2\r\nA: 1\r\n\r\nbody", "HTTP/1.1 200 OK\nA: 1\n\nbody", False),
    ("HTTP/1.1 200 OK\r\nB: 2\r\nA: 1\r\n\r\nbody", "HTTP/1.1 200 OK\nA: 1\n…\n\nbody", True),
    ("HTTP/1.1 200 OK\r\nA: 1\r\n\r\nbody", "HTTP/1.1 200 OK\nA: 2\n…\n\nbody", False),
    ("HTTP/1.1 404 Not Found\r\nA: 1\r\n\r\n", "HTTP/1.1 200 OK\n…", False),
    ("HTTP/1.1 204 No Content\r\nA: 1\r\n\r\n", "HTTP/1.1 204 No Content\nA: …", True),
    ("HTTP/1.1 200 OK\r\nA: 1\r\n\r\nbody", "HTTP/1.1 200 OK\nA: 1", False),
])
def test_the_comparison(printed, expected, same):
    """What counts as the same: the tool that the examples lean on."""
    assert fits(printed, expected.split("\n")) == same


@pytest.mark.parametrize("text", ["no block", "```console\n$ curl -s 'x'\n```\n", "```console\n```\n"])
def test_pages_without_examples(text):
    """A page without blocks, a block without output or without a command is seen as such."""
    assert not any(steps and all(expected for _, expected in steps) for _, steps in parse(text))
