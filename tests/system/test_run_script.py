"""scripts/run.sh as one meets it at a terminal, and scripts/dev-certificate.sh."""
import os
import pty
import re
import select
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge import run_script
from load import NGINX, free_port
from service import PROGRAM, ROOT, wait_until

# nginx that takes its configuration and then never listens.
DEAF = f'#!/bin/sh\ncase "$*" in *"-t -q"*) exec {NGINX} "$@" ;; esac\nexec sleep 600\n'


class Terminal:
    """A command at a terminal of its own: what it has said, and keys."""

    def __init__(self, command, **more):
        self.side, other = pty.openpty()
        self.process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, preexec_fn=self.own(other),
                                        start_new_session=True, **more)
        os.close(other)
        self.said = ""

    @staticmethod
    def own(terminal):
        """Makes it the one whose keys send signals."""
        def take():
            import fcntl  # pylint: disable=import-outside-toplevel
            import termios  # pylint: disable=import-outside-toplevel
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        return take

    def read_until(self, text, seconds=60):
        """What has been said, once this is in it; or at the end."""
        deadline = time.monotonic() + seconds
        while text is None or text not in self.said:
            assert time.monotonic() < deadline, self.said
            if not select.select([self.side], [], [], 0.2)[0]:
                continue
            try:
                self.said += os.read(self.side, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
            except OSError:  # all who could write are gone
                assert text is None, self.said
                return self.said
        return self.said

    def ends(self):
        """Its exit code, once nothing has its terminal any more."""
        self.read_until(None, 30)
        return self.process.wait(10)


def processes_in(folder):
    """Those whose command names a file there."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (path / "cmdline").read_bytes() or str(folder) in os.readlink(path / "cwd"):
                found.append((path.name, (path / "cmdline").read_bytes()))
        except OSError:
            pass
    return found


@pytest.fixture(name="clone")
def _clone(tmp_path):
    """What the script needs of the repository, with the programs as they are built."""
    for name in ("scripts", "proxy", "docs"):
        shutil.copytree(ROOT / name, tmp_path / "clone" / name)
    (tmp_path / "clone/data").symlink_to(ROOT / "data")
    (tmp_path / "clone/build/release").mkdir(parents=True)
    (tmp_path / "clone/build/release/bin").symlink_to(PROGRAM.parent.resolve())
    (tmp_path / "tools").mkdir()
    tool(tmp_path, "cmake", "#!/bin/sh\n")
    return tmp_path / "clone"


def tool(folder, name, text):
    """A program in the place of the machine's."""
    path = folder / "tools" / name
    path.write_text(text, "utf-8")
    path.chmod(0o755)


@contextmanager
def run_at_terminal(clone, **settings):
    """scripts/run.sh of the clone."""
    more = {name: str(free_port()) for name in ("HTTP_PORT", "HTTPS_PORT")}
    env = {"PATH": f"{clone.parent}/tools:{os.environ['PATH']}", "HOME": str(clone.parent), "BIND": "127.0.0.1:0",
           "SIDECAR_BIND": "127.0.0.1:0", **more, **settings}
    terminal = Terminal([clone / "scripts/run.sh"], env=env, cwd=clone.parent)
    try:
        yield terminal
    finally:
        if terminal.process.poll() is None:
            terminal.process.terminate()
            terminal.process.wait(20)
        os.close(terminal.side)


def test_until_ctrl_c(clone):
    """Ready, answering by the certificate that it names, and gone with everything at Ctrl-C."""
    with run_at_terminal(clone) as terminal:
        said = terminal.read_until("End it with Ctrl-C.")
        page = next(line.split()[-1] for line in said.splitlines() if line.startswith("nginx ready on "))
        told = subprocess.run(["curl", "-sS", "--cacert", clone / "build/tls/ca.pem", f"{page}/api/v1/cvs/"], capture_output=True, check=True)
        assert b'"ramin"' in told.stdout and len(processes_in(clone)) > 3
        os.write(terminal.side, b"\x03")
        assert terminal.ends() == 0
    assert processes_in(clone) == []


def test_ctrl_c_while_it_starts(clone):
    """Says after a while what it waits for; ends everything that had begun."""
    tool(clone.parent, "nginx", DEAF)
    with run_at_terminal(clone) as terminal:
        terminal.read_until("still waiting for cv-query to have loaded its CVs, and for nginx on port")
        os.write(terminal.side, b"\x03")
        assert terminal.ends() == 0
    assert processes_in(clone) == []


def test_it_starts_whatever_is_ill(clone):
    """No CVs, a host of another name, a proxy for the company's network: the sidecar tells, so it must be there."""
    (clone.parent / "none/cvs").mkdir(parents=True)
    ill = {"CV_DATA_DIR": str(clone.parent / "none"), "ALLOWED_HOSTS": "cv.example.org", "https_proxy": "http://127.0.0.1:9",
           "http_proxy": "http://127.0.0.1:9"}
    with run_at_terminal(clone, **ill) as terminal:
        terminal.read_until("End it with Ctrl-C.", 30)
        os.write(terminal.side, b"\x03")
        assert terminal.ends() == 0
    assert processes_in(clone) == []


@pytest.mark.parametrize("setting", ["HTTP_PORT", "HTTPS_PORT", "BIND", "SIDECAR_BIND"])
def test_a_port_that_is_taken(clone, setting):
    """Told before anything is started, with the setting that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with run_at_terminal(clone, **{setting: str(port) if "PORT" in setting else f"127.0.0.1:{port}"}) as terminal:
            assert terminal.ends() == 69
            assert f"port {port} is taken" in terminal.said and f"{setting} chooses another" in terminal.said
            assert "ready on" not in terminal.said


def public_key(kind, path):
    """Of a certificate or a private key."""
    how = ["x509", "-noout", "-pubkey"] if kind == "certificate" else ["pkey", "-pubout"]
    return subprocess.run(["openssl", *how, "-in", path], capture_output=True, check=True).stdout


def check_pair(folder):
    """The certificate is the key's and the authority's."""
    assert public_key("certificate", folder / "cert.pem") == public_key("key", folder / "key.pem")
    subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.pem", folder / "cert.pem"], check=True, capture_output=True)
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("*key.pem"))


def test_hint_for_chromium(tmp_path):
    """It holds for one who has never started a browser."""
    made = run_script("dev-certificate.sh", tmp_path / "tls")
    hint = re.search(r"Chromium:  (.*\S) +\(Debian", made.stderr)[1]
    if not shutil.which("certutil"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("certutil is not installed; scripts/test.sh installs it")
    more = {"env": {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    subprocess.run(["bash", "-ec", hint], check=True, **more)
    listed = subprocess.run(["certutil", "-d", f"sql:{tmp_path}/.pki/nssdb", "-L"], check=True, **more).stdout
    assert re.search(r"^cv-backend +C,, *$", listed, re.M), listed


def test_development_certificate(tmp_path):
    """Made once; made again when its key does not fit or its last week has begun."""
    folder = tmp_path / "tls"
    assert "was made" in run_script("dev-certificate.sh", folder).stderr
    check_pair(folder)
    before = (folder / "cert.pem").read_bytes()
    assert run_script("dev-certificate.sh", folder).stderr == "" and (folder / "cert.pem").read_bytes() == before
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", folder / "key.pem"],
                   check=True, capture_output=True)
    run_script("dev-certificate.sh", folder)
    check_pair(folder)
    before = (folder / "cert.pem").read_bytes()
    request = ["openssl", "req", "-new", "-key", folder / "key.pem", "-subj", "/CN=localhost", "-out", folder / "request.pem"]
    sign = ["openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", folder / "ca.pem", "-CAkey", folder / "ca-key.pem", "-days", "6"]
    for command in (request, [*sign, "-out", folder / "short.pem"]):
        subprocess.run(command, check=True, capture_output=True)
    (folder / "short.pem").rename(folder / "cert.pem")
    assert "was made" in run_script("dev-certificate.sh", folder).stderr
    check_pair(folder)
    assert (folder / "cert.pem").read_bytes() != before


def test_development_certificate_by_several_at_once(tmp_path):
    """One makes it, the others take it."""
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda _: run_script("dev-certificate.sh", tmp_path / "tls").stderr, range(4)))
    check_pair(tmp_path / "tls")
    assert sum("was made" in one for one in said) == 1
    wait_until(lambda: not processes_in(tmp_path))
