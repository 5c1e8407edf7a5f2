"""The pipeline's own steps: every `run:` of the jobs lint, test, security and build is executed, or said why not."""
import json
import os
import re
import subprocess

import pytest
import yaml

from linters import LINT, installed
from service import COUNTED, PROGRAM, ROOT, SANITIZED

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PIPELINE = yaml.safe_load((ROOT / ".github/workflows/backend-ci.yml").read_text("utf-8"))
JOBS = ("changes", "lint", "test", "security", "build", "gate")
# Steps that would run this whole suite, or several minutes of it, inside itself → the line of scripts/test.sh that runs
# them in the gate, beside this test.
TOO_LONG = {
    "scripts/lint.sh": "scripts/lint.sh",
    "scripts/coverage.sh": "scripts/coverage.sh",
    "scripts/test.sh --only release": "suite release",
    "scripts/test.sh --only fuzz": "suite fuzz",
    "scripts/package.sh": "scripts/package.sh",
}
pytestmark = pytest.mark.skipif(SANITIZED or COUNTED, reason="says nothing about an instrumented build")


def steps():
    """Each command of those jobs, with the job's name and the environment that the workflow gives it."""
    for name in JOBS:
        job = PIPELINE["jobs"][name]
        for line in job.get("strategy", {}).get("matrix", {}).get("include", [{}]):
            for step in job["steps"]:
                if "run" not in step:
                    continue
                env = {key: resolved(str(value), line) for key, value in step.get("env", {}).items()}
                command = step["run"].strip()
                if command == "$COMMAND":
                    command = env["COMMAND"]
                yield pytest.param(name, command, env, id=f"{name}: {command.splitlines()[0][:60]}")


def resolved(value, line):
    """An expression of the workflow, as it would be in a pull request in which all went well."""
    known = {"github.event.pull_request.base.sha": "HEAD~1", "needs.changes.outputs.code": "true",
             "join(needs.*.result, ' ')": "success success success",
             **{f"matrix.{key}": word for key, word in line.items()}}
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: known[match[1]], value)


def execute(command, env, folder):
    """As a runner does: bash with -eo pipefail, from the root of the checkout."""
    given = {**os.environ, "CI": "true", "GITHUB_OUTPUT": str(folder / "output"), "GITHUB_REF_NAME": "v0", **env}
    return subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command], cwd=ROOT, env=given,
                          capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.parametrize("job, command, env", steps())
def test_every_step(job, command, env, tmp_path):
    """It ends well here too; the long ones are known here, take this argument, and are no other script's."""
    if command in TOO_LONG:
        script, *arguments = command.split()
        help_text = execute(f"{script} --help", {}, tmp_path)
        assert help_text.returncode == 0 and help_text.stdout.startswith(f"usage: {script}"), help_text.stderr
        assert all(argument in help_text.stdout for argument in arguments)
        refused = execute(f"{script} --no-such-argument", {}, tmp_path)
        assert refused.returncode == 64
        return
    if command == "scripts/security.sh":
        # Pending updates are the machine's; that they fail is tests/system/test_security.py's.
        command = f"{command} --report --bin {PROGRAM.parent} --sbom {tmp_path}/sbom.json"
    if command.startswith("apt-get") and os.geteuid() != 0:
        pytest.skip("needs root")
    done = execute(command, env, tmp_path)
    assert done.returncode == 0, f"{job}: {done.stdout}{done.stderr}"


def test_what_is_too_long_is_in_the_gate_elsewhere():
    """Nothing is excused that nobody runs, and no excuse outlives its step."""
    commands = {step.values[1] for step in steps()}
    assert set(TOO_LONG) <= commands
    gate = (ROOT / "scripts/test.sh").read_text("utf-8").partition("\n  exit\nfi\n")[2].splitlines()
    assert set(TOO_LONG.values()) <= set(gate)


def test_the_gate_is_always_there_and_fails():
    """For each way in which a job can end; what paths left out may be skipped, nothing else."""
    gate = PIPELINE["jobs"]["gate"]
    later = {"publish", "release", "deploy"}
    outside = {"scanners", "image-scan", "codeql", "gate"}  # what could not be tried is not required
    assert gate["if"] == "always()" and set(gate["needs"]) == set(PIPELINE["jobs"]) - later - outside
    for name in gate["needs"]:
        for step in PIPELINE["jobs"][name]["steps"]:
            assert step.get("uses", "actions/").startswith("actions/") or step.get("continue-on-error"), name
    [step] = gate["steps"]
    for results, code, good in (("success success", "true", True), ("success skipped", "false", True),
                                ("success skipped", "true", False), ("success failure", "true", False),
                                ("failure skipped", "", False), ("skipped cancelled", "false", False)):
        done = subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], env={"RESULTS": results, "CODE": code},
                              capture_output=True, check=False)
        assert (done.returncode == 0) == good, (results, code)


def test_what_was_not_tried_says_so():
    """Other people's actions: in a comment somewhere above them, in their job or right before it."""
    for path in WORKFLOWS:
        marked, before = False, ""
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if re.match(r"  \S", line) and not before.startswith("  #"):
                marked = False
            marked, before = marked or "not tried" in line.lower(), line
            assert marked or not re.search(r"uses: (?!actions/)", line), f"{path.name}:{number}: tried?"


def test_screenshots_are_kept():
    """Of the part that runs the browser tests, above all when they fail."""
    kept = [step for step in PIPELINE["jobs"]["test"]["steps"] if "build/screenshots" in step.get("with", {}).get("path", "")]
    assert [step["if"] for step in kept] == ["matrix.part == 'release' && always()"]


def test_logins_to_the_registry_may_read():
    """A job that names an image of ours has the right to it, a login, and the name in lower case."""
    for name, job in PIPELINE["jobs"].items():
        text = yaml.safe_dump(job, width=1000)
        if "ghcr.io/" in text:
            assert job["permissions"].get("packages") in ("read", "write"), name
            assert "docker/login-action@" in text or "registry-password:" in text, name
            assert "ghcr.io/${{" not in text and "GITHUB_REPOSITORY,," in text, name


def test_triggers_and_rights():
    """Pushes to main and develop, pull requests to main; nobody may write but who must."""
    triggers = PIPELINE[True]  # YAML's `on`
    assert triggers["push"]["branches"] == ["main", "develop"] and triggers["push"]["tags"] == ["v*"]
    assert triggers["pull_request"]["branches"] == ["main"]
    assert PIPELINE["permissions"] == {"contents": "read"}
    writers = {name for name, job in PIPELINE["jobs"].items() if "write" in job.get("permissions", {}).values()}
    assert writers == {"codeql", "publish", "release"}


def test_decision_by_path(tmp_path):
    """What no program, test or package reads skips the build; anything else does not, nor does not knowing."""
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false", "-C", tmp_path]

    def run(*arguments):
        subprocess.run([*git, *arguments], check=True, capture_output=True)

    run("init", "-q", "-b", "main")
    (tmp_path / "scripts/lib").mkdir(parents=True)
    for name in ("scripts/changes.sh", "scripts/lib/usage.sh"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "scripts/changes.sh").chmod(0o755)
    run("add", ".")
    run("commit", "-q", "-m", "first")

    def decided(*arguments):
        return subprocess.run([tmp_path / "scripts/changes.sh", *arguments], capture_output=True, text=True,
                              check=True).stdout

    for path, code in (("CHANGELOG.md", "false"), ("docs/decisions/0099-x.md", "false"), ("docs/deployment.md", "true"),
                       ("libs/a file.cpp", "true"), ("data/cvs/x.json", "true"), (".github/workflows/x.yml", "true")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
        run("add", ".")
        run("commit", "-q", "-m", path)
        assert decided("HEAD~1") == f"code={code}\n", path
    assert decided() == decided("0" * 40) == "code=true\n"


def lint(*command):
    """Runs one of the linters."""
    installed()
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_workflows_are_held_to_rules(tmp_path):
    """Ours pass; a workflow with each fault is told of every one."""
    bad = tmp_path / "bad.yml"
    bad.write_text("name: bad\non: push\njobs:\n  one:\n    runs-on: nowhere\n    steps:\n"
                   "      - uses: actions/checkout@v4\n      - run: echo ${{ github.event.issue.title }} $X\n")
    for command in (["node", LINT / "actionlint.mjs"], ["/usr/bin/python3", LINT / "workflow.py"]):
        assert lint(*command, *WORKFLOWS).returncode == 0
        assert lint(*command, bad).returncode == 1
    said = lint("/usr/bin/python3", LINT / "workflow.py", bad).stderr
    for word in ("pin it", "timeout-minutes", "pasted into the shell", "permissions at the top", "persist-credentials"):
        assert word in said, word


def test_dockerfiles_are_held_to_rules(tmp_path):
    """Each fault is told of."""
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM debian\nADD x /x\nRUN apt install foo\nENV API_TOKEN=abc\nCMD foo\n")
    said = lint("node", LINT / "dockerfile.mjs", bad)
    assert said.returncode == 1
    for word in ("tag or a digest", "COPY says", "apt is for people", "without -y", "lists are left", "a secret",
                 "signals would not", "run as root or by a name", "HEALTHCHECK"):
        assert word in said.stderr, word


def test_links_are_held_to_rules(tmp_path):
    """Files and headings that are not there; code is no link."""
    (tmp_path / "other.md").write_text("# A heading, with `code`\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#a-heading-with-code) `[x](none)` [s](https://example.org/)\n```\n[x](none)\n```\n")
    assert lint("/usr/bin/python3", LINT / "markdown.py", page).returncode == 0
    page.write_text("[a](other.md#b)\n\n[c]: gone.md\n")
    said = lint("/usr/bin/python3", LINT / "markdown.py", page)
    assert said.returncode == 1 and "page.md:1" in said.stderr and "page.md:3" in said.stderr


def test_units_are_held_to_rules(tmp_path):
    """systemd's own word about a unit whose program is not installed here."""
    unit = tmp_path / "x.service"
    unit.write_text("[Service]\nExecStart=/usr/bin/cv-no-such-program\n")
    assert lint("/usr/bin/python3", LINT / "units.py", tmp_path).returncode == 0
    unit.write_text("[Service]\nExecStart=/usr/bin/cv-no-such-program\nMemoryMaximum=3\n")
    said = lint("/usr/bin/python3", LINT / "units.py", tmp_path)
    assert said.returncode == 1 and "MemoryMaximum" in said.stderr


def test_rulesets_are_applied_by_name(tmp_path):
    """A ruleset that is there is brought up to date, one that is not is made; GitHub's own word is not to be had here."""
    gh = tmp_path / "gh"
    gh.write_text("#!/bin/sh\necho \"$*\" >>\"$CALLS\"\n"
                  "[ \"$2\" != --paginate ] || echo '[{\"id\": 7, \"name\": \"main\"}]'\n")
    gh.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    script = ROOT / "scripts/apply-rulesets.sh"
    for dry in ([], ["--dry-run"]):
        (tmp_path / "calls").write_text("")
        done = subprocess.run([script, *dry, "o/r"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "main: gh api --method PUT repos/o/r/rulesets/7 --input .github/rulesets/main.json" in done.stdout
        assert "release tags: gh api --method POST repos/o/r/rulesets --input .github/rulesets/tags.json" in done.stdout
        assert "develop: gh api --method POST repos/o/r/rulesets --input .github/rulesets/develop.json" in done.stdout
        assert len((tmp_path / "calls").read_text().splitlines()) == (1 if dry else 4)
    main = json.loads((ROOT / ".github/rulesets/main.json").read_text("utf-8"))
    rules = {rule["type"]: rule.get("parameters") for rule in main["rules"]}
    assert [one["context"] for one in rules["required_status_checks"]["required_status_checks"]] == ["gate"]
    assert main["conditions"]["ref_name"]["include"] == ["~DEFAULT_BRANCH"], "pull requests run nowhere else"
    # The forge signs what it squashes, not what it rebases; and a merge is not linear.
    assert "required_signatures" in rules and rules["pull_request"]["allowed_merge_methods"] == ["squash"]
    develop = json.loads((ROOT / ".github/rulesets/develop.json").read_text("utf-8"))
    assert {rule["type"] for rule in develop["rules"]} == {"deletion", "non_fast_forward"}
    assert subprocess.run([script, "nonsense"], env=env, capture_output=True, check=False).returncode == 64
