"""usage: secrets.py CLONE

Looks for secrets in a clone: in the files as they are (tracked or not yet, but for ignored ones) and in every line
that any commit has added. Prints where, never what; exit 1 on a finding.
"""
import fnmatch
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

PATTERNS = {
    "private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})",
    "GitLab token": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "Slack token": r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/T[A-Za-z0-9/]{20,}",
    "Google API key": r"\bAIza[0-9A-Za-z_-]{35}\b",
    "Stripe key": r"\b[rs]k_live_[0-9A-Za-z]{20,}",
    "npm token": r"\bnpm_[A-Za-z0-9]{36}\b|_authToken\s*=\s*[A-Za-z0-9+/=-]{20,}",
    "DigitalOcean token": r"\bdo[opr]_v1_[a-f0-9]{64}\b",
    "Heroku token": r"\bHRKU-[0-9A-Za-z_-]{30,}",
    "JSON web token": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "password in a URL": r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"{}$<>]*:[^\s/:@'\"{}$<>]{6,}@[^\s/@]",
    "Sentry key": r"https://[0-9a-f]{32}@[a-z0-9.-]+/[0-9]+",
}
# A name that says secret, and a value that looks made by chance.
NAMED = re.compile(
    r"(?i)(?:secret|token|passw(?:or)?d|api_?key|private_?key|credential)[a-z0-9_]*[\"']?\s*[:=]\s*"
    r"[\"']?(?P<value>[A-Za-z0-9+/=_-]{24,})")
KNOWN = [(name, re.compile(pattern)) for name, pattern in PATTERNS.items()]
# Values that are none: file pattern, what the line must hold, why.
ALLOWED = [
    ("tests/*", "s3cr3t-pw", "the tests' own word, planted to see that it is never printed"),
]
LARGEST = 4 << 20


def entropy(value):
    """Bits for each character: about 4 and more for random base64 of this length, less for words."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


def finding(path, line):
    """What kind of secret a line seems to hold; None for none."""
    if any(fnmatch.fnmatch(path, where) and what in line for where, what, _ in ALLOWED):
        return None
    for name, pattern in KNOWN:
        if pattern.search(line):
            return name
    if path.startswith("tests/"):
        return None  # full of keys made up for one test; those that a service gave out are known by their form
    for named in NAMED.finditer(line):
        value = named["value"]
        if entropy(value) >= 4.0 and re.search("[0-9]", value) and re.search("[A-Za-z]", value):
            return "value that looks random, by a name that says secret"
    return None


def git(clone, *arguments):
    """What git prints; also as root in somebody else's clone."""
    return subprocess.run(["git", "-c", f"safe.directory={clone.resolve()}", "-C", clone, *arguments], check=True,
                          capture_output=True).stdout


def tree(clone):
    """Findings in the files as they are."""
    for name in filter(None, git(clone, "ls-files", "-zco", "--exclude-standard").decode().split("\0")):
        path = clone / name
        if not path.is_file() or path.is_symlink() or path.stat().st_size > LARGEST:
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            kind = finding(name, line)
            if kind:
                yield f"{name}:{number}: {kind}"


def history(clone):
    """Findings in what commits added and in what they say."""
    commit = path = ""
    heading = False
    # Messages indented, so that none is taken for a change; what a merge itself brought in, too.
    log = git(clone, "log", "--all", "--no-color", "--no-ext-diff", "--no-textconv", "-p", "-U0", "--no-prefix",
              "--diff-merges=first-parent", "--format=commit %h%n%w(0,1,1)%B")
    for line in log.decode("utf-8", "replace").splitlines():
        if re.fullmatch("commit [0-9a-f]+", line):
            commit, path, heading = line.split()[1], "its message", False
        elif line.startswith("diff --git "):
            path, heading = "what it removes", True
        elif line.startswith("@@ "):
            heading = False
        elif heading and line.startswith("+++ "):
            path = line[4:]
        elif path == "its message" or line.startswith("+"):
            kind = finding(path, line)
            if kind:
                yield f"commit {commit}: {path}: {kind}"


def main():
    """Prints the findings."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    clone = Path(sys.argv[1])
    found = list(dict.fromkeys([*tree(clone), *history(clone)]))
    for line in found:
        print(line, file=sys.stderr)
    if found:
        print("a secret that was ever committed is known: revoke it first, then remove it; what is none goes into"
              " ALLOWED in scripts/lib/secrets.py, with its reason", file=sys.stderr)
        sys.exit(1)
    count = git(clone, "rev-list", "--all", "--count").decode().strip()
    print(f"no secret in the tree and in {count} commits")
    if git(clone, "rev-parse", "--is-shallow-repository").strip() == b"true":
        print("only part of the history is here; the rest comes with: git fetch --unshallow", file=sys.stderr)
        sys.exit(69)


main()
