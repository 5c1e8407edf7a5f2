"""The production stack in containers: a clean clone of the repository, its images, and the engine they run on.

The engine is reached as by any docker client (DOCKER_HOST …). CV_DOCKER_RUN is a command that runs another one where
the published ports are; empty where that is here. Without an engine the tests are skipped, but not under CI=true.
"""
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from service import ROOT, wait_until
from wire import Answer

RUN = shlex.split(os.environ.get("CV_DOCKER_RUN", ""))
HOST = "localhost"
TARGET = "/api/v1/cvs/ramin/"
UNCACHED = "/api/v1/cvs/ramin/skills/?never={n}"
IMAGES = "localhost/cv-backend"


def finish(command, code=0, timeout=60, text_in="", **more):
    """Runs a command to its end, with this text to read; its standard output."""
    done = subprocess.run(list(map(str, command)), capture_output=True, input=text_in, text=True, encoding="utf-8",
                          timeout=timeout, check=False, **more)
    said = f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert code is None or done.returncode == code, f"{command}: {done.returncode}\n{said}"
    return done


def docker(*arguments, **more):
    """What docker prints."""
    return finish(["docker", *arguments], **more).stdout.strip()


def need_engine():
    """Skips the test where no engine answers; in CI there must be one."""
    found = shutil.which("docker") and finish(["docker", "version"], code=None, timeout=30).returncode == 0
    if not found:
        why = "no docker engine answers: DOCKER_HOST says where it is, CV_DOCKER_RUN how its ports are reached"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)


def compose_command():
    """docker compose as this machine has it."""
    if finish(["docker", "compose", "version"], code=None).returncode == 0:
        return ["docker", "compose"]
    assert shutil.which("docker-compose"), "needs docker compose, or docker-compose 1.29"
    return ["docker-compose"]


class Stack:
    """The production compose project of a clean clone."""

    def __init__(self, folder):
        self.folder = folder / "clone"
        finish(["git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", ROOT, self.folder])
        tls = folder / "tls"
        finish([self.folder / "scripts/dev-certificate.sh", tls])
        for path in [folder, tls, *tls.iterdir()]:
            path.chmod(0o755)
        self.authority = tls / "ca.pem"
        self.project = f"cvtest{os.getpid()}"
        self.compose = [*compose_command(), "-f", "docker-compose.prod.yml"]
        self.settings = {
            "SECRET_KEY": secrets.token_urlsafe(48), "ALLOWED_HOSTS": f"{HOST},cv.example.org",
            "CORS_ALLOWED_ORIGINS": "https://app.example.org", "RATE_LIMIT": "100000/s",
            "TLS_DIR": str(tls), "TLS_CERTIFICATE": "/etc/cv-backend/tls/cert.pem",
            "TLS_CERTIFICATE_KEY": "/etc/cv-backend/tls/key.pem", "CV_TAG": self.project, "WEB_CONCURRENCY": "2",
            "COMPOSE_PROJECT_NAME": self.project}
        self.write_settings()

    def write_settings(self):
        """As an operator does: in .env beside the compose file."""
        lines = "".join(f"{name}={value}\n" for name, value in self.settings.items())
        (self.folder / ".env").write_text(lines, "utf-8")

    @property
    def environment(self):
        """What commands get beside .env."""
        ours = {*self.settings, "COMPOSE_FILE"}
        return {name: value for name, value in os.environ.items() if name not in ours}

    def run_compose(self, *arguments, timeout=120, **settings):
        """A compose command."""
        env = {**self.environment, **settings}
        return finish([*self.compose, *arguments], cwd=self.folder, env=env, timeout=timeout)

    def roll(self, *arguments, code=0, **settings):
        """scripts/roll.sh."""
        return finish([self.folder / "scripts/roll.sh", *arguments], code=code, timeout=180,
                      env={**self.environment, "COMPOSE_PROJECT_NAME": self.project, **settings})

    def container(self, service):
        """The id of a service's container."""
        return self.run_compose("ps", "-q", service).stdout.strip()

    def inspect(self, service):
        """All that the engine knows of a service's container."""
        return json.loads(docker("inspect", self.container(service)))[0]

    def image(self, name, tag=None):
        """All that the engine knows of an image."""
        return json.loads(docker("image", "inspect", f"{IMAGES}/{name}:{tag or self.project}"))[0]

    def is_healthy(self, *services):
        """Whether they run and say that they are well."""
        states = (self.inspect(one)["State"] for one in services)
        return all(one["Running"] and one["Health"]["Status"] == "healthy" for one in states)

    def curl(self, *arguments, code=0):
        """What curl prints of the site, as a client that trusts its certificate."""
        command = [*RUN, "curl", "-sS", "--max-time", "15", "--cacert", self.authority, *arguments]
        return finish(command, code=code).stdout

    def ask(self, target, *arguments, host=HOST):
        """An answer of the site by TLS; status 0 is none at all."""
        here = ("--connect-to", f"{host}:443:127.0.0.1:443")
        out = self.curl("-i", *here, *arguments, f"https://{host}{target}", code=None)
        head, _, body = out.partition("\n\n")
        lines = head.splitlines() or ["- 0"]
        headers = [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]
        return Answer(int(lines[0].split()[1]), headers, body.encode())

    @contextmanager
    def load(self):
        """A steady load on the site during a block, of which no request may be lost; what came of it, at its end."""
        program = [sys.executable, "-B", Path(__file__).with_name("edge_load.py")]
        command = list(map(str, [*RUN, *program, f"{HOST}:443", self.authority, TARGET, UNCACHED]))
        outcome = {}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as loader:
            try:
                yield outcome
            finally:
                out, _ = loader.communicate(timeout=30)
        outcome.update(json.loads(out))

    def is_up(self):
        """Whether the first answer is there."""
        return self.ask("/api/v1/cvs/").status == 200

    def up(self):
        """Starts it; how long it took until the first answer, in seconds."""
        start = time.monotonic()
        self.run_compose("up", "-d", "--no-build", timeout=180)
        wait_until(self.is_up, 60)
        return time.monotonic() - start

    def down(self):
        """Ends it, its volumes and its images."""
        self.run_compose("down", "--volumes", "--remove-orphans", timeout=180)


@contextmanager
def built(tmp_path_factory):
    """A stack of which the images are there for the length of a block; what is left of it afterwards goes."""
    need_engine()
    start = time.monotonic()
    made = Stack(tmp_path_factory.mktemp("stack"))
    done = made.run_compose("build", timeout=1500)
    made.build_output = done.stdout + done.stderr
    made.build_seconds = time.monotonic() - start
    try:
        yield made
    except BaseException:
        print(made.run_compose("logs", "--no-color", "--tail=40").stdout)
        raise
    finally:
        made.down()
        for image in docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"{IMAGES}/*").split():
            if image.endswith((made.project, ":previous", ":next", ":broken", ":dev", ":all", ":other")):
                docker("rmi", "--force", "--no-prune", image)  # the layers serve the next build


def read_proc(container, name):
    """A file of /proc about a container's first process, read from a container that shares its processes."""
    joined = ("--pid", f"container:{container}", "--network", f"container:{container}")
    return docker("run", "--rm", *joined, "--user", "0", "--cap-add", "SYS_PTRACE", "debian:bookworm-slim",
                  "cat", f"/proc/1/{name}")


def kill_inside(container):
    """SIGKILL to a container's first process, as a crash would end it; its engine restarts it."""
    pid = json.loads(docker("inspect", container))[0]["State"]["Pid"]
    docker("run", "--rm", "--pid", "host", "debian:bookworm-slim", "bash", "-c", f"kill -9 {pid}")
