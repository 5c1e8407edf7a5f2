"""Reads the shell blocks of the guides, and makes the rooms in which they are run."""
import os
import re
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from service import PROGRAM, ROOT

ROOMS = ("author", "bare", "docker", "installed", "packages", "systemd")
SHELL = ("sh", "bash", "shell", "console", "")
EXAMPLES = "docs/api.md"  # whose console blocks are test_api_examples.py's
MARK = re.compile(r"<!-- (run|not run): (.+?) -->")
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>```+|~~~+) *(?P<kind>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)(?P=fence) *$",
                   re.M | re.S)
INDENTED = re.compile(r"(?:\A|(?<=\n\n)|(?<=-->\n))(?P<text>(?:(?P<indent>    |\t).*\S.*\n(?:[ \t]*\n)*)+)")
LIST = re.compile(r"(?:[-*+]|\d+[.)])\s")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as the guides do")
# What the blocks of a room may write to, although it is the machine's.
WRITTEN = ("/etc", "/var/lib", "/var/log", "/run", "/srv", "/opt", "/root", "/usr/local")


class Block:
    """A shell block of a guide: where it stands, what is done with it (a room, or None with a reason), its text."""

    def __init__(self, guide, text, match):
        self.guide, self.line = guide, text.count("\n", 0, match.start("text")) + 1
        before = text[:match.start()].rstrip().rsplit("\n", 1)[-1].strip()
        mark = MARK.fullmatch(before)
        self.room = mark[2] if mark and mark[1] == "run" else None
        self.reason = mark[2] if mark and mark[1] == "not run" else None
        self.text = re.sub(f"^{match['indent']}", "", match["text"], flags=re.M)

    def __str__(self):
        return f"{self.guide}:{self.line}"


class Aside:
    """What a test does between two blocks: its name, its text."""

    def __init__(self, name, text):
        self.name, self.text = name, text.strip() + "\n"

    def __str__(self):
        return self.name


def guides():
    """All Markdown files of the repository, by name."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard",
                             "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return sorted(set(listed))


def blocks_of(guide, text):
    """The shell blocks of a text: what a fence without another language encloses, and all that is indented as code."""
    fences = list(FENCE.finditer(text))
    rest = FENCE.sub(lambda fence: re.sub(r"[^\n]", "`", fence[0]), text)
    found = [fence for fence in fences
             if fence["kind"] in SHELL and (guide, fence["kind"]) != (EXAMPLES, "console")]
    for code in INDENTED.finditer(rest):
        heads = re.findall(r"^\S.*", rest[:code.start()], re.M)
        if not heads or not LIST.match(heads[-1]): # else it is a paragraph of that item
            found.append(code)
    return [Block(guide, text, match) for match in sorted(found, key=lambda match: match.start())]


def blocks():
    """All shell blocks of the guides, in their order."""
    return [block for guide in guides() for block in blocks_of(guide, (ROOT / guide).read_text("utf-8"))]


def those_of(room):
    """The blocks of a room."""
    found = [block for block in blocks() if block.room == room]
    assert found, room
    return found


# As the guides say: docker-compose stands for either form.
COMPOSE = 'type -P docker-compose >/dev/null || docker-compose() { docker compose "$@"; }\n'


def block_with(words):
    """The one block in which these words stand."""
    [found] = [block for block in blocks() if words in block.text]
    return found


def script_of(chosen):
    """One script of several blocks, that says on standard error where it is."""
    return "set -euo pipefail\n" + COMPOSE + "".join(f"echo '@ {block}' >&2\n{block.text}" for block in chosen)


def run_blocks(chosen, command, timeout, **more):
    """Runs blocks with `command` SCRIPT; an assertion with the block's place and its last words when one fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh", encoding="utf-8") as script:
        script.write(script_of(chosen))
        script.flush()
        # A block waits for what it has started without an end of its own; `timeout` is that end.
        done = subprocess.run(["timeout", "--kill-after=5", str(timeout), *command, script.name],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, **more)
    place = (re.findall(r"^@ (\S+)$", done.stdout, re.M) or ["?"])[-1]
    assert done.returncode == 0, f"{place}: exit {done.returncode}\n{done.stdout[-4000:]}"
    return done.stdout


def clone(folder):
    """A clean clone of the repository, named as a user's."""
    place = Path(folder) / "cv-backend"
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", ROOT, place], check=True)
    return place


PREPARE = r"""
set -euo pipefail
layers=$1 files=$2 programs=$3 script=$4
ip link set lo up
mount -t tmpfs tmpfs "$layers"
for place in WRITTEN; do
  mkdir -p "$layers$place/upper" "$layers$place/work"
  mount -t overlay overlay -o "lowerdir=$place,upperdir=$layers$place/upper,workdir=$layers$place/work" "$place"
done
mkdir -p /opt/cv-backend/build/release/bin
cp -r "$files/." /opt/cv-backend
cp "$programs"/cv-query "$programs"/cv-health /opt/cv-backend/build/release/bin
cd /opt/cv-backend
[[ -d build/site ]] || scripts/collectstatic.sh
exec bash "$script"
"""


@contextmanager
def bare_room(folder):
    """A machine of one's own for the length of a block: its own network, processes and settings; the rest is shared.
    Gives the command that runs a script in it, in a clone at /opt/cv-backend whose programs are built."""
    layers = Path(folder) / "layers"
    layers.mkdir()
    files = clone(folder)
    prepare = Path(folder) / "prepare.sh"
    prepare.write_text(PREPARE.replace("WRITTEN", " ".join(WRITTEN)), "utf-8")
    # The programs are those of the clone: another user may not be let into this one.
    yield ["env", "-u", "CV_BIN_DIR", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=KILL",
           "--mount-proc", "bash", prepare, layers, files, PROGRAM.parent]
