"""scripts/deploy.sh, up to the engine: programs that record their calls stand for docker and ssh. What compose makes of
the settings is docker-compose's own word, where it is installed; rolling on a real engine is test_docker.py's."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from service import ROOT, title, wait_until

DOCKER = r"""#!/bin/bash
echo "$COMPOSE_PROJECT_NAME $*" >>"$RECORD/calls"
[[ -z ${DEPLOY_ENV+x}${DEPLOY_KEY+x} ]] || echo "knows the secrets" >>"$RECORD/calls"
case "$*" in
  'compose pull'*)
    if [[ -e .env ]]; then cp -p .env "$RECORD/env"; fi
    if type -P docker-compose >/dev/null; then docker-compose config >"$RECORD/config"; fi
    exit "${PULL:-0}" ;;
  'compose ps -q'*) [[ -z ${RUNNING:-} ]] || echo "id-${!#}" ;;
  *inspect*State*) echo running healthy ;;
  *inspect*Config*) echo ghcr.io/o/r/query:v1 ;;
esac
"""
AGENT = """#!/bin/sh
sleep 300 >/dev/null 2>&1 &
echo $! >"$RECORD/agent"
echo "SSH_AGENT_PID=$!; export SSH_AGENT_PID;"
"""
ADD = "#!/bin/sh\ncat >\"$RECORD/key\"\n"
GOOD = "ALLOWED_HOSTS=cv.example.org\nSECRET_KEY='a key'\nCV_DATA=/srv/cvs\nTLS_DIR=/srv/tls\nRATE_LIMIT=off"


class Runner:
    """A checkout as the forge makes it, under any name, and what was called from there."""

    def __init__(self, folder):
        self.folder, self.record = folder / "any-name", folder / "record"
        programs = folder / "bin"
        for path in (self.folder, self.record, programs, folder / "home"):
            path.mkdir()
        shutil.copytree(ROOT / "scripts", self.folder / "scripts")
        shutil.copy(ROOT / "docker-compose.prod.yml", self.folder)
        for name, text in (("docker", DOCKER), ("ssh-agent", AGENT), ("ssh-add", ADD)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder / "home"),
                            "RECORD": str(self.record), "DOCKER_HOST": "ssh://deploy@cv.example.org",
                            "CV_REGISTRY": "ghcr.io/o/r", "CV_TAG": "v2"}

    def deploy(self, *arguments, **settings):
        """Runs it; no .env of its making is left, whatever happens."""
        (self.record / "calls").write_text("")
        before = (self.folder / ".env").exists()
        done = subprocess.run([self.folder / "scripts/deploy.sh", *arguments], env={**self.environment, **settings},
                              capture_output=True, text=True, timeout=60, check=False)
        assert (self.folder / ".env").exists() == before
        return done

    def calls(self):
        """What docker was asked, without questions."""
        lines = (self.record / "calls").read_text().splitlines()
        return [line for line in lines if not any(word in line for word in ("version", " ps ", "inspect"))]


@pytest.fixture(name="runner")
def make_runner(tmp_path):
    """One for each test."""
    return Runner(tmp_path)


def test_first_time(runner):
    """The .env of the secret, for nobody else to read; a project that does not depend on the checkout's name."""
    done = runner.deploy(DEPLOY_ENV=GOOD.replace("\n", "\r\n"))
    assert done.returncode == 0, done.stderr
    assert runner.calls() == ["cv-backend compose pull --quiet query-a query-b health proxy",
                              "cv-backend compose up -d --no-build"]
    env = runner.record / "env"
    assert env.read_text() == GOOD + "\n" and env.stat().st_mode & 0o777 == 0o600
    if shutil.which("docker-compose"):
        services = yaml.safe_load((runner.record / "config").read_text())["services"]
        assert services["proxy"]["image"] == "ghcr.io/o/r/proxy:v2"
        assert services["proxy"]["environment"]["RATE_LIMIT"] == "off"
        assert services["proxy"]["environment"]["SECRET_KEY"] == "a key"
        mounts = [str(one) for one in services["query-a"]["volumes"] + services["proxy"]["volumes"]]
        assert all(any(path in mount for mount in mounts) for path in ("/srv/cvs", "/srv/tls"))


def test_a_stack_that_runs_is_rolled(runner):
    """Instance by instance, by scripts/roll.sh; images that are there need no pull, nor a registry."""
    done = runner.deploy("--no-pull", DEPLOY_ENV=GOOD + "\nCOMPOSE_PROJECT_NAME=mine\n", RUNNING="1", CV_REGISTRY="")
    assert done.returncode == 0, done.stderr
    ups = [line for line in runner.calls() if " up " in line]
    names = ("query-a", "query-b", "health", "proxy")
    assert ups == [f"mine compose up -d --no-deps --no-build {name}" for name in names]
    assert not [line for line in runner.calls() if "pull" in line]


def test_a_pull_that_fails_changes_nothing(runner):
    """Its exit code is the script's."""
    done = runner.deploy(DEPLOY_ENV=GOOD, PULL="18")
    assert done.returncode == 18 and len(runner.calls()) == 1


def test_ssh(runner):
    """The key goes to an agent that ends with the script; the host's line is written once; docker sees neither."""
    line = "cv.example.org ssh-ed25519 AAAA"
    ssh = Path(runner.environment["HOME"]) / ".ssh"
    ssh.mkdir(0o700)
    (ssh / "known_hosts").write_text("old ssh-rsa BBBB")
    for _ in range(2):
        done = runner.deploy(DEPLOY_ENV=GOOD, DEPLOY_KEY="-the-\n-key-", DEPLOY_KNOWN_HOSTS=line)
        assert done.returncode == 0, done.stderr
        assert (runner.record / "key").read_text() == "-the-\n-key-\n"
        assert "knows the secrets" not in runner.calls()
        agent = (runner.record / "agent").read_text().strip()
        wait_until(lambda pid=agent: "sleep" not in title(pid), 5)
    assert (ssh / "known_hosts").read_text() == f"old ssh-rsa BBBB\n{line}\n" and ssh.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("word, settings", [
    ("DEPLOY_ENV is empty", {"DEPLOY_ENV": ""}),
    ("DEPLOY_KEY is empty", {"DEPLOY_KEY": "\n"}),
    ("DEPLOY_KNOWN_HOSTS is empty", {"DEPLOY_KNOWN_HOSTS": ""}),
    ("ALLOWED_HOSTS is not set", {"DEPLOY_ENV": GOOD.replace("cv.example.org", "")}),
    ("SECRET_KEY is not set", {"DEPLOY_ENV": GOOD.replace("'a key'", "''")}),
    ("SECRET_KEY is not set", {"SECRET_KEY": ""}),  # as compose has it: the environment's stands above the file's
    ("CV_TAG is not set", {"CV_TAG": ""}),
    ("CV_REGISTRY is not set", {"CV_REGISTRY": ""}),
    ("CV_DATA is './my-cvs'", {"DEPLOY_ENV": GOOD.replace("/srv/cvs", "./my-cvs")}),
    ("CV_DATA is ''", {"DEPLOY_ENV": GOOD.replace("CV_DATA", "#")}),
    ("TLS_DIR is ''", {"TLS_DIR": ""}),
])
def test_what_is_missing_is_told(runner, word, settings):
    """Before anything is asked of the engine."""
    done = runner.deploy(**{"DEPLOY_ENV": GOOD, **settings})
    assert done.returncode == 78 and word in done.stderr, done.stderr
    assert not (runner.record / "calls").read_text()


def test_what_need_not_be_there(runner):
    """No folder of certificates where something in front terminates TLS; on this machine's engine paths as compose has
    them, and its name of the project; two files are one too many."""
    assert runner.deploy(DEPLOY_ENV=GOOD, TLS_DIR="", TLS_CERTIFICATE="off", CV_DATA="media").returncode == 0
    commented = GOOD.replace("TLS_DIR=/srv/tls", "TLS_CERTIFICATE=off # no TLS").replace("/srv/cvs", '"/srv/cvs" # mine')
    done = runner.deploy(DEPLOY_ENV=commented + '\nCOMPOSE_FILE="docker-compose.prod.yml" # both ways')
    assert done.returncode == 0, done.stderr
    (runner.folder / ".env").write_text("ALLOWED_HOSTS=x\nSECRET_KEY=x\n")
    for host in ("", "unix:///run/docker.sock"):
        done = runner.deploy(DOCKER_HOST=host)
        assert done.returncode == 0 and runner.calls()[0].startswith(" compose pull"), done.stderr
    assert "which one" in runner.deploy(DEPLOY_ENV=GOOD).stderr
