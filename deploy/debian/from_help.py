"""usage: from_help.py man|completion|settings|script PROGRAM

Writes PROGRAM's manual page, its bash completion or the manual page of the settings file to standard output, from what
the program itself prints for --help (a script: from the comment at its head), so that none of them can be behind it.
"""
import re
import subprocess
import sys
from pathlib import Path

PLAIN = re.compile(r"\w+(?:, \w+)* or \w+")


def helped(*command):
    """The help of a program or subcommand: the paragraphs before and behind, and name → rows of each group."""
    text = subprocess.run([*command, "--help"], check=True, capture_output=True, text=True).stdout
    head, _, rest = text.partition("\nUsage: ")
    groups, footer, group = {}, [], None
    for line in rest.splitlines()[1:]:
        if match := re.fullmatch(r"(\w+):", line):
            group = groups.setdefault(match[1], [])
        elif match := re.match(r"  (-?\S+(?: [A-Z]+)?(?: \S+)*?)(?: {2,}(.*))?$", line):
            if group is not None:
                group.append((match[1], match[2] or ""))
        elif line.strip():
            footer.append(line.strip())
    return head.strip().splitlines(), groups, footer


def roff(text):
    """As text of a manual page."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def page(name, section, title, blocks):
    """A manual page; a block is a heading with paragraphs or (term, text) pairs."""
    print(f'.TH {name.upper()} {section}\n.SH NAME\n{roff(name)} \\- {roff(title)}')
    for heading, paragraphs in blocks:
        print(f".SH {heading.upper()}")
        for one in paragraphs:
            print(f".PP\n{roff(one)}" if isinstance(one, str) else f".TP\n.B {roff(one[0])}\n{roff(one[1]) or '.br'}")


def write_man(program):
    """PROGRAM.1: commands and options; the settings have a page of their own."""
    head, groups, footer = helped(program)
    own = []
    for name, _ in groups.get("Subcommands", []):
        rows = helped(program, name)[1]
        own += [(f"{name} {option}", text) for option, text in rows.get("Options", []) + rows.get("Positionals", [])
                if "--help" not in option]
    name = Path(program).name
    other = "cv-health" if name == "cv-query" else "cv-query"
    page(name, 1, head[0].rstrip("."), [
        ("synopsis", [f"{name} [OPTIONS] [SUBCOMMAND]"]), ("description", [" ".join(head)]),
        ("commands", groups.get("Subcommands", []) + own),
        ("options", groups["Options"] + [
            ("--NAME VALUE", "Every setting of cv-backend.env(5) is an option too, ALLOWED_HOSTS as --allowed-hosts.")]),
        ("settings and exit codes", [" ".join(footer)]), ("see also", [f"{other}(1), cv-backend.env(5)"])])


def write_settings(program):
    """cv-backend.env.5: every setting."""
    rows = []
    for _, text in helped(program)[1]["Settings"]:
        name, rest = re.fullmatch(r"\[(\w+)\] (.*)", text).groups()
        rows.append((name, rest))
    page("cv-backend.env", 5, "settings of cv-backend", [
        ("description", [
            "/etc/cv-backend/cv-backend.env holds lines of NAME=VALUE and # comments; a value may stand in quotes. "
            "NAME_FILE names a file that holds the value. Flags and the environment are stronger.",
            "After a change: systemctl reload cv-query; systemctl restart cv-health; and, with the package "
            "cv-backend-nginx, update-cv-backend-nginx."]),
        ("settings", rows), ("see also", ["cv-query(1), cv-health(1)"])])


def write_completion(program):
    """Commands, flags, and the values of those that take one of a few words or a path."""
    name = Path(program).name
    _, groups, _ = helped(program)
    commands = [row[0] for row in groups.get("Subcommands", [])]
    flags, cases, files, other = [], [], ["--config"], []
    for option, text in groups["Options"] + groups["Settings"]:
        flags += [part for part in option.split()[0].split(",") if part.startswith("--")]
        allowed = re.search(r"Allowed: (.*?)\.(?: |$)", text)
        if allowed and PLAIN.fullmatch(allowed[1]):
            words = re.split(r", | or ", allowed[1])
            cases.append(f"    {flags[-1]}) words='{' '.join(words)}' ;;")
        elif allowed and re.search(r"(?<!without a )\bpath", allowed[1]):
            files.append(flags[-1])
        elif allowed:
            other.append(flags[-1])
    branches = []
    for command in commands:
        rows = helped(program, command)[1].get("Options", [])
        more = [row[0].split()[0] for row in rows if row[0].startswith("--")]
        branches.append(f"      {command}) command={command} flags+=' {' '.join(more)}' ;;")
    print(f"""# bash completion for {name}; made from its --help
_{name.replace("-", "_")}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} word command="" words="" flags='{" ".join(flags)}'
  COMPREPLY=()
  case ${{COMP_WORDS[COMP_CWORD - 1]}} in
{chr(10).join(cases)}
    {"|".join(files)}) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    {"|".join(other)}) return ;;
  esac
  if [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    return
  fi
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in
{chr(10).join(branches)}
    esac
  done
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
  elif [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W '{" ".join(commands)}' -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  fi
}}
complete -o filenames -F _{name.replace("-", "_")} {name}""")


def write_script(program):
    """SCRIPT.8 from the comment that a script's --help shows."""
    lines = Path(program).read_text(encoding="utf-8").splitlines()
    comment = [line[2:] for line in lines[1:lines.index("set -euo pipefail")]]
    options = [tuple(part.strip() for part in line.strip().split("  ", 1)) for line in comment if line.startswith(" ")]
    text = " ".join(line for line in comment[1:] if line and not line.startswith(" "))
    page(Path(program).name, 8, text.split(":")[0], [
        ("synopsis", [comment[0].removeprefix("usage: ")]), ("description", [text]), ("options", options),
        ("see also", ["cv-backend.env(5), nginx(8)"])])


WRITERS = {"script": write_script, "man": write_man, "completion": write_completion, "settings": write_settings}

if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in WRITERS:
        sys.exit(__doc__)
    WRITERS[sys.argv[1]](str(Path(sys.argv[2]).resolve()))
