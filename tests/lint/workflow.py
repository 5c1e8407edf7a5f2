"""usage: workflow.py WORKFLOW…

Holds workflows to rules of ours: actions pinned by commit with their version beside it, permissions said at the top
and no wider than reading there, a time limit for each job; and hands each step's shell to shellcheck.
"""
import re
import subprocess
import sys

import yaml

USES = re.compile(r"^\s*(?:- )?uses:\s*(\S+)(.*)$")
EXPRESSION = re.compile(r"\$\{\{.*?\}\}")


def pins(path):
    """Actions that are not pinned."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            uses = USES.match(line)
            if not uses or uses[1].startswith("./"):
                continue
            if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", uses[1]):
                yield f"{path}:{number}: {uses[1]}: pin it by its commit"
            elif not re.fullmatch(r"\s*# v\d+(\.\d+)*", uses[2]):
                yield f"{path}:{number}: {uses[1]}: say its version beside it: # vX.Y.Z"


def shell(path, job, step, default):
    """What shellcheck says of a step's commands."""
    script = EXPRESSION.sub("EXPRESSION", step["run"])
    if EXPRESSION.search(step["run"]):
        yield f"{path}: {job}: an expression inside `run:` is pasted into the shell: hand it over in `env:`"
    dialect = step.get("shell", default)
    if not dialect.startswith("bash"):
        yield f"{path}: {job}: a step's shell is {dialect}; say `shell: bash`"
        return
    said = subprocess.run(["shellcheck", "-s", "bash", "-e", "SC1091", "-f", "gcc", "-"], input=script, text=True,
                          capture_output=True, check=False)
    for line in said.stdout.splitlines():
        yield f"{path}: {job}: {step.get('name', script.splitlines()[0])}: {line.removeprefix('-:')}"


def findings(path):
    """All that is wrong with a workflow."""
    yield from pins(path)
    with open(path, encoding="utf-8") as file:
        workflow = yaml.safe_load(file)
    if set(workflow.get("permissions", {"": ""}).values()) - {"read", "none"}:
        yield f"{path}: permissions at the top must be there and no more than `read`; a job may ask for what it needs"
    default = workflow.get("defaults", {}).get("run", {}).get("shell", "sh")
    for name, job in workflow["jobs"].items():
        if "uses" in job:
            continue
        if "timeout-minutes" not in job:
            yield f"{path}: {name}: no timeout-minutes"
        for step in job["steps"]:
            if "run" in step:
                yield from shell(path, name, step, default)
            elif (step["uses"].startswith("actions/checkout@")
                  and step.get("with", {}).get("persist-credentials") is not False):
                yield f"{path}: {name}: checkout leaves its token in the clone: persist-credentials: false"


def main():
    """Prints the findings; exit 1 on any."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    found = [line for path in sys.argv[1:] for line in findings(path)]
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(1 if found else 0)


main()
