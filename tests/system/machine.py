"""A throwaway machine booted by systemd. CV_SYSTEMD_MACHINE names the command that gives one, by the verbs start, stop,
put FILE PLACE, install FILE.deb… and exec COMMAND…, which runs it in the machine as root. Options behind the command
are put behind each verb. Its cgroups are to be version 2, as on every Debian 12: with version 1 a machine inside a
container is not told when a service's last process has gone."""
import os
import shlex
import subprocess

import pytest

COMMAND = shlex.split(os.environ.get("CV_SYSTEMD_MACHINE", ""))
SOCKET = "/run/cv-backend/query.sock"
HOST = "cv.example.org"


def need_machine():
    """Skips where there is none; CI must have one."""
    if not COMMAND:
        assert os.environ.get("CI") != "true", "CV_SYSTEMD_MACHINE is not set, and CI must have a machine with systemd"
        pytest.skip("needs a machine booted by systemd: CV_SYSTEMD_MACHINE names the command that gives one")


class Machine:
    """The machine, once it has been started."""

    def call(self, verb, *arguments, check=True, timeout=180):
        """One of the command's verbs; what it printed."""
        words = [COMMAND[0], verb, *COMMAND[1:], *map(str, arguments)]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8",
                              errors="replace", timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"{verb} {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def run(self, script, **more):
        """A shell script in the machine; its output."""
        return self.call("exec", "sh", "-ec", script, **more).stdout.strip()

    def install(self, *packages):
        """Installs packages; what the installation told."""
        done = self.call("install", *packages)
        return done.stdout + done.stderr

    def put_text(self, folder, text, place):
        """A file with this text."""
        file = folder / "put"
        file.write_text(text, encoding="utf-8")
        self.call("put", file, place)

    def show(self, unit, name):
        """A property of a unit."""
        return self.run(f"systemctl show -P {name} {unit}")

    def ask(self, target, *options):
        """Status and body of an answer of the service, on its own socket; 0 without one."""
        return self.curl(f"http://{HOST}{target}", "--unix-socket", SOCKET, "-H", "X-Forwarded-Proto: https", *options)

    def ask_site(self, target, *options):
        """The same through nginx, with its certificate verified."""
        return self.curl(f"https://{HOST}{target}", "--cacert", "/root/cert.pem", "--resolve", f"{HOST}:443:127.0.0.1",
                         *options)

    def curl(self, *arguments):
        """What curl gets."""
        done = self.call("exec", "curl", "-sS", "-m", "10", "-w", "\n%{http_code}", *arguments, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status or 0), body

    def sandboxed(self, folder, service, script):
        """What a script prints that runs in the sandbox of a service instead of its program."""
        unit = self.run(f"cat /lib/systemd/system/{service}.service").split("[Install]")[0]
        left_out = ("Requires=", "After=", "Type=", "Notify", "Exec", "Restart", "Watchdog", "Kill")
        kept = [line for line in unit.splitlines() if not line.startswith(left_out)]
        kept += ["Type=oneshot", f"ExecStart=/bin/bash /usr/local/lib/sandboxed-{service}.service.sh"]
        name = f"sandboxed-{service}.service"
        self.put_text(folder, script, f"/usr/local/lib/{name}.sh")
        self.put_text(folder, "\n".join(kept) + "\n", f"/etc/systemd/system/{name}")
        self.run(f"systemctl start {name}; journalctl --sync")
        return self.run(f"journalctl -o cat _SYSTEMD_UNIT={name}").splitlines()


# The clients of a load: on fresh and kept connections, straight and through nginx, where some are for the cache. In
# HTTP/1.1, where curl asks again when a kept connection ends under it; its HTTP/2 does not when a request crosses the
# GOAWAY of a reload (RFC 9113 6.8), as browsers do.
CLIENTS = {
    "fresh": f"--unix-socket {SOCKET} -H 'X-Forwarded-Proto: https' -H 'Connection: close' http://{HOST}/api/v1/cvs/",
    "kept": f"--unix-socket {SOCKET} -H 'X-Forwarded-Proto: https' http://{HOST}/api/v1/cvs/",
    "cached": f"--http1.1 --cacert /root/cert.pem --resolve {HOST}:443:127.0.0.1 https://{HOST}/api/v1/cvs/",
    "uncached": f"--http1.1 --cacert /root/cert.pem --resolve {HOST}:443:127.0.0.1 -H 'Accept-Encoding: br;q=0.5' "
                f"https://{HOST}/api/v1/cvs/",
}
LOAD = r"""
rm -rf /run/load; mkdir /run/load
go() {
  name=$1 url=$2; shift 2
  until [ -e /run/load/stop ]; do
    curl -sS -m 10 --rate 40/s -o /dev/null -w '%{http_code}\n' "$@" "$url#[1-40]" 2>&1
  done >/run/load/$name
  touch /run/load/$name.ended
}
"""


class Load:
    """Steady requests of several clients in the machine for the length of a block; none may be lost."""

    def __init__(self, machine, folder):
        self.machine = machine
        lines = [f"go {name} {words.rsplit(' ', 1)[1]} {words.rsplit(' ', 1)[0]} &" for name, words in CLIENTS.items()]
        machine.put_text(folder, LOAD + "\n".join(lines) + "\nwait\n", "/run/load.sh")

    def __enter__(self):
        self.machine.run("systemd-run -q --collect sh /run/load.sh")
        self.machine.run(f"until [ $(cat /run/load/* | wc -l) -ge {20 * len(CLIENTS)} ]; do sleep 0.1; done")
        return self

    def __exit__(self, *failure):
        self.machine.run("touch /run/load/stop; "
                         f"until [ $(ls /run/load/*.ended 2>/dev/null | wc -l) = {len(CLIENTS)} ]; do sleep 0.1; done")
        if failure[0] is None:
            counts = self.machine.run(f"cd /run/load; for n in {' '.join(CLIENTS)}; do sort $n | uniq -c | "
                                      "sed \"s/^/$n/\"; done")
            assert [line.split()[::2] for line in counts.splitlines()] == [[name, "200"] for name in CLIENTS], counts
