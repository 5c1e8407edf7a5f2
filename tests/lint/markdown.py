"""usage: markdown.py FILE…

Relative links of Markdown files must lead to a file or folder of the repository, and their anchors to a heading.
"""
import re
import sys
from pathlib import Path
from urllib.parse import unquote

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1", re.M | re.S)
LINK = re.compile(r"(?<!\\)!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]^]+\]:\s*<?(\S+?)>?(?:\s|$)", re.M)


def bare(text):
    """The text without code, with as many lines."""
    text = FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)
    return re.sub(r"`+[^`\n]*`+", "", text)


def anchors(path):
    """The names that a site gives to the headings of a file: lower case, spaces as hyphens, the rest dropped."""
    text = FENCE.sub("", path.read_text("utf-8"))
    names, seen = set(re.findall(r"<a (?:name|id)=\"([^\"]+)\"", text)), {}
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.add(f"{name}-{count}" if count else name)
    return names


def findings(path):
    """Links that lead nowhere."""
    text = bare(path.read_text("utf-8"))
    for link in [*LINK.finditer(text), *REFERENCE.finditer(text)]:
        target, line = link[1], text.count("\n", 0, link.start()) + 1
        if re.match(r"[a-z][a-z0-9+.-]*:|//", target):
            continue
        file, _, anchor = unquote(target).partition("#")
        if file.startswith("../../actions/") or file.startswith("../../security/"):
            continue  # pages of the forge beside the files, the same in every fork
        to = (path.parent / file) if file else path
        if not to.exists():
            yield f"{path}:{line}: {target}: no such file"
        elif anchor and to.suffix == ".md" and anchor not in anchors(to):
            yield f"{path}:{line}: {target}: no such heading"


def main():
    """Prints the findings; exit 1 on any."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    found = [line for name in sys.argv[1:] for line in findings(Path(name))]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)


main()
