"""scripts/start.sh: service, sidecar and nginx together, where no service manager is."""
import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest

from edge import free_port, run_script
from guides import as_root, bare_room
from service import COUNTED, PROGRAM, ROOT, environment, make_folders, sample_data, title, wait_until
from wire import ask

SCRIPT = ROOT / "scripts/start.sh"
ROLES = ("arbiter", "health", "nginx: master")


class Together:
    """A running start.sh."""

    def __init__(self, folder):
        self.address, self.side = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        self.output = folder / "start.txt"
        self.settings = environment(folder, {
            "BIND": None, "ACCESS_LOG": "off", "ERROR_LOG": "-", "ALLOWED_HOSTS": "localhost", "PORT": str(self.address[1]),
            "TLS_CERTIFICATE": "off", "TLS_CERTIFICATE_KEY": "off", "SECURE_SSL_REDIRECT": "false", "RATE_LIMIT": "off",
            "SIDECAR_BIND": f"127.0.0.1:{self.side[1]}", "SITE_DIR": str(folder / "site"),
            "CV_BIN_DIR": str(PROGRAM.parent)})
        with open(self.output, "ab") as out:
            self.process = subprocess.Popen([SCRIPT], env=self.settings, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def child(self, role):
        """The pid of one of its three processes; None while it is not there."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as listed:
            return next((int(pid) for pid in listed.read().split() if role in title(int(pid))), None)

    def is_up(self):
        """Whether nginx, the service and the sidecar answer."""
        assert self.process.poll() is None, self.output.read_text("utf-8")
        try:
            return ask(self.address, "/api/v1/cvs/").status == ask(self.side, "/readyz").status == 200
        except OSError:
            return False

    def end(self, code, how=signal.SIGTERM):
        """It ends, and all that it has started."""
        pids = [self.child(role) for role in ROLES]
        if how:
            self.process.send_signal(how)
        assert self.process.wait(20) == code, self.output.read_text("utf-8")
        wait_until(lambda: not any(pid and os.path.exists(f"/proc/{pid}") for pid in pids))
        with pytest.raises(OSError):
            ask(self.address)


@contextmanager
def together(folder):
    """All three for the length of a block."""
    started = Together(folder)
    try:
        wait_until(started.is_up, 30)
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.process.wait(20)


@pytest.fixture(name="folder")
def folder_with_cvs(tmp_path):
    """The sample CVs, and a folder for static files in which some of earlier versions lie."""
    if not (ROOT / "build/site").exists():
        run_script("collectstatic.sh")
    make_folders(tmp_path)
    sample_data(tmp_path)
    (tmp_path / "site/static").mkdir(parents=True)
    for name, days in (("young.js", 20), ("old.js", 40)):
        path = tmp_path / "site/static" / name
        path.write_text("//", "utf-8")
        os.utime(path, (time.time() - days * 86400,) * 2)
    return tmp_path


def test_all_together(folder):
    """Page, API and sidecar; static files of the last month stay; a sidecar that dies comes back; HUP; a stop; again."""
    with together(folder) as started:
        assert b"<html" in ask(started.address, "/").body
        assert {path.name for path in (folder / "site/static").glob("*.js")} > {"young.js"}
        assert not (folder / "site/static/old.js").exists()
        health, arbiter = started.child("health"), started.child("arbiter")
        os.kill(health, signal.SIGKILL)
        wait_until(lambda: started.child("health") not in (None, health) and started.is_up(), 20)
        started.process.send_signal(signal.SIGHUP)
        wait_until(lambda: b'cv_reloads_total{service_instance_id="query-0"} 1' in ask(started.side, "/metrics").body)
        assert started.child("arbiter") == arbiter and started.is_up()
        started.end(0)
    with together(folder) as started:
        started.end(0, signal.SIGINT)


@pytest.mark.parametrize("role", ["arbiter", "nginx: master"])
def test_one_that_cannot_be_done_without(folder, role):
    """When the service or nginx dies, the others end too, for whoever runs it to start it again."""
    with together(folder) as started:
        os.kill(started.child(role), signal.SIGKILL)
        started.end(137, how=None)


def test_what_keeps_it_from_starting(folder):
    """Settings that are bad or unknown words: a line that says so, and nothing is started."""
    for settings, arguments, code, said in (
            ({"LOG_LEVEL": "loud"}, [], 78, "LOG_LEVEL"),
            ({"DEPLOY_CHECK": "maybe"}, [], 78, "allowed: warn, strict, off"),
            ({"DEPLOY_CHECK": "strict", "DEBUG": "true"}, [], 78, "security.W018"),
            ({"CV_STATE_DIR": "/proc/nothing"}, [], 78, "CV_STATE_DIR=/proc/nothing cannot be written"),
            ({"TLS_CERTIFICATE": "/nothing.pem"}, ["proxy"], 78, "TLS_CERTIFICATE"),
            ({}, ["everything"], 64, "unknown argument: everything")):
        env = {**environment(folder, {"CV_BIN_DIR": str(PROGRAM.parent)}), **settings}
        done = subprocess.run([SCRIPT, *arguments], env=env, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, said in done.stderr) == (code, True), done


def test_folders_of_the_file(folder):
    """A folder that the file of settings names is not replaced by another one, although nobody can write to it."""
    for name in ("CV_STATE_DIR", "CV_RUN_DIR"):
        (folder / "env").write_text(f"{name}=/proc/nothing\n", "utf-8")
        env = environment(folder, {name: None, "CV_BIN_DIR": str(PROGRAM.parent)})
        done = subprocess.run([SCRIPT, "--config", "env"], env=env, cwd=folder, capture_output=True, text=True,
                              check=False, timeout=30)
        assert done.returncode == 78 and f"{name}=/proc/nothing cannot be written" in done.stderr, done


# start.sh and healthcheck.sh in a room of their own: with a file's settings, with none, and as a user without a place.
AGREE = r"""
set -euo pipefail
cd /opt/cv-backend
install -m 0666 /dev/null /root/out
start() { # start COMMAND…: and waits until nginx answers
  "$@" >/root/out 2>&1 & pid=$!
  local tries=200
  until "${ask[@]}" --proxy "${config[@]}" >/dev/null 2>&1; do
    kill -0 "$pid" && ((tries--)) || { cat /root/out; exit 1; }
    sleep 0.1
  done
}
healthy() {
  local tries=50
  until "${ask[@]}" "${config[@]}"; do ((tries--)) || { cat /root/out; exit 1; }; sleep 0.1; done
  "${ask[@]}" --proxy "${config[@]}"
}
finish() {
  kill "$pid"
  wait "$pid"
  local said
  said=$("${ask[@]}" --proxy "${config[@]}" 2>&1) && exit 1
  echo "$said"
  ! "${ask[@]}" "${config[@]}" 2>/dev/null
}
export SECRET_KEY=$(openssl rand -base64 48)
ask=(scripts/healthcheck.sh) config=(--config /root/env)
echo '@ file'
cat >/root/env <<'END'
ALLOWED_HOSTS=cv.example.org
TLS_CERTIFICATE=off
TLS_CERTIFICATE_KEY=off
CV_DATA_DIR=/opt/cv-backend/data
BIND=127.0.0.1:15098
END
start scripts/start.sh "${config[@]}"
healthy
finish
echo '@ proxy_url'
echo PROXY_URL=http://127.0.0.1:81 >>/root/env
start scripts/start.sh "${config[@]}"
until curl -sS http://127.0.0.1:8001/health | grep -o '"url":"http://127.0.0.1:8."'; do sleep 0.1; done
finish
echo '@ defaults'
export ALLOWED_HOSTS=cv.example.org TLS_CERTIFICATE=off TLS_CERTIFICATE_KEY=off CV_DATA_DIR=$PWD/data PORT=5000
config=()
start scripts/start.sh
healthy
finish
echo '@ nowhere'
rm -rf /run/cv-backend /var/lib/cv-backend
install -d -m 1777 /srv/tmp
export TMPDIR=/srv/tmp
as=(setpriv --reuid=12345 --regid=12345 --clear-groups) ask=("${as[@]}" scripts/healthcheck.sh)
start "${as[@]}" scripts/start.sh
healthy
finish
echo '@ taken'
stat -c '%a %u' /srv/tmp/cv-backend-12345
refused() {
  local code=0
  timeout 20 "${as[@]}" scripts/start.sh 2>&1 | grep 'may enter, so it is not used' || code=$?
  [[ $code == 78 ]]
}
chmod 0777 /srv/tmp/cv-backend-12345
refused
chmod 0700 /srv/tmp/cv-backend-12345 && chown 1 /srv/tmp/cv-backend-12345
refused
rm -rf /srv/tmp/cv-backend-12345
"${as[@]}" mkdir -m 700 /srv/tmp/mine && "${as[@]}" ln -s mine /srv/tmp/cv-backend-12345
refused
"""


@pytest.mark.skipif(COUNTED, reason="another user cannot write the counters, and says so")
@as_root
def test_start_and_healthcheck_agree(tmp_path):
    """Whatever start.sh was given, healthcheck.sh asks there when it is given the same; a folder in /tmp that is not
    the user's alone is not taken."""
    (tmp_path / "agree.sh").write_text(AGREE, "utf-8")
    with bare_room(tmp_path) as command:
        done = subprocess.run([*command, tmp_path / "agree.sh"], capture_output=True, text=True, check=False,
                              timeout=120)
    print(done)
    assert done.returncode == 0
    said = {part.split("\n")[0]: part.split("\n")[1:-1] for part in done.stdout.split("@ ")[1:]}
    gone = "nginx does not answer on port {}".format
    assert said["file"] == ["127.0.0.1:15098: ready", "port 80: HTTP/1.1 200 OK", gone(80)]
    assert said["proxy_url"] == ['"url":"http://127.0.0.1:81"', gone(80)]
    assert said["defaults"] == ["unix:/run/cv-backend/query.sock: ready", "port 5000: HTTP/1.1 200 OK", gone(5000)]
    assert said["nowhere"] == ["unix:/srv/tmp/cv-backend-12345/CV_RUN_DIR/query.sock: ready",
                               "port 5000: HTTP/1.1 200 OK", gone(5000)]
    refusal = ("start.sh: /srv/tmp/cv-backend-12345 is not a folder that user 12345 alone may enter, so it is not used: "
               "remove it, or set CV_STATE_DIR")
    assert said["taken"] == ["700 12345", *[refusal] * 3]
