"""The three servers of the benchmark: how each is started on its core, asked, measured and ended."""

import contextlib
import grp
import os
import pwd
import re
import secrets
import select
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
PATHS = {"list": "/api/v1/cvs/", "section": "/api/v1/cvs/ramin/education/", "cv": "/api/v1/cvs/ramin/"}
START_SECONDS = 30
STOP_SECONDS = 30


class Failure(Exception):
    """What makes the figures worthless; told in one line."""


class Server:
    """A server process pinned to a core. `urls` says where it answers each work, `log` is its access log."""

    def __init__(self, name: str, core: int, folder: Path, command: list, env: dict[str, str] | None = None):
        self.name, self.folder = name, folder
        self.urls: dict[str, tuple[int, str]] = {}
        self.log = folder / "access.log"
        folder.mkdir(exist_ok=True)
        with open(folder / "stderr", "wb") as errors:
            self.process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],  # taskset becomes it: the pid is the server's
                env={"PATH": os.environ["PATH"], **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,  # select() and readline() must see the same bytes
            )

    def failure(self, what: str) -> Failure:
        logs = [self.folder / "stderr", self.folder / "error.log"]
        said = "".join(log.read_text(errors="replace") for log in logs if log.exists())
        return Failure("\n".join([f"{self.name} {what}", *said.splitlines()[-10:]]))

    def ready_port(self) -> int:
        deadline = time.monotonic() + START_SECONDS
        while select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
            line = self.process.stdout.readline().decode()
            if found := re.search(r"ready on http://127\.0\.0\.1:(\d+)", line):
                return int(found[1])
            if not line:
                raise self.failure("ended before it was ready")
        raise self.failure(f"was not ready in {START_SECONDS} s")

    def wait_for_port(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                return
            time.sleep(0.02)
        raise self.failure("did not start")

    def fetch(self, work: str) -> tuple[bytes, bytes]:
        """Head and body of the answer to just what wrk sends."""
        port, path = self.urls[work]
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        head = b""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(request.encode())
                with connection.makefile("rb") as stream:
                    while not head.endswith(b"\r\n\r\n") and (line := stream.readline()):
                        head += line
                    length = re.search(rb"\ncontent-length: *(\d+)", head, re.IGNORECASE)
                    return head, stream.read(int(length[1])) if length else b""
        except OSError as error:
            raise self.failure(f"does not answer {work}: {error}") from error

    def check(self, work: str, body: bytes) -> bytes:
        """The whole answer, once it is known to be 200, plain, for a connection that is kept, and right."""
        head, got = self.fetch(work)
        unwanted = re.search(rb"content-encoding|connection: *close", head, re.IGNORECASE)
        if not head.startswith(b"HTTP/1.1 200 ") or unwanted:
            raise self.failure(f"answers {work} with\n{head.decode(errors='replace')}")
        if got != body:
            raise self.failure(f"answers {work} with another body than the CV files hold ({len(got)} bytes)")
        return head + got

    def cpu_nanoseconds(self) -> dict[str, int]:
        """User and system time of every thread of the server's processes.

        From schedstat, whose first figure is the scheduler's own count in nanoseconds. utime + stime in
        /proc/PID/stat are scaled to the same count, but cut off to clock ticks of 10 ms.
        """
        times = {}
        for pid in family(self.process.pid):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                times[thread.name] = int((thread / "schedstat").read_text().split()[0])
        # Children that have ended, as workers at MAX_REQUESTS do; counted in clock ticks, for lack of better.
        ended = sum(map(int, Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[13:15]))
        times["ended"] = ended * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
        return times

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in family(self.process.pid):
                os.kill(pid, 9)
            self.process.wait()
        self.process.stdout.close()


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for member in found:  # grows while it is walked
        found += children.get(member, [])
    return found


def start_floor(core: int, folder: Path, program: Path, answers: dict[str, bytes], stack):
    """One floor for each work, since it knows one answer."""
    servers: dict[str, Server] = {}
    folder.mkdir()
    for work, answer in answers.items():
        canned = folder / f"{work}.http"
        canned.write_bytes(answer)
        server = servers[work] = Server("floor", core, folder / work, [program, canned])
        stack.callback(server.stop)
        server.urls[work] = server.ready_port(), PATHS[work]
    return servers


def start_nginx(core: int, folder: Path, bodies: dict[str, bytes], stack) -> Server:
    """Each body is a plain file: an index file would cost nginx an internal redirect."""
    urls = {work: path.rstrip("/") + ".json" for work, path in PATHS.items()}
    for work, body in bodies.items():
        file = folder / "static" / urls[work].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    configuration = (HERE / "nginx.conf.in").read_text(encoding="utf-8")
    for name, value in {"@PORT@": str(port), "@USER@": user, "@GROUP@": group}.items():
        configuration = configuration.replace(name, value)
    (folder / "nginx.conf").write_text(configuration, encoding="utf-8")
    server = Server("nginx", core, folder, ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"])
    stack.callback(server.stop)
    server.urls = {work: (port, url) for work, url in urls.items()}
    server.wait_for_port(port)
    return server


def start_cv_query(core: int, folder: Path, program: Path, data: Path, more: dict[str, str], stack) -> Server:
    """As in production, with one worker, as nginx has: there is one core to serve on. `more`: other settings."""
    for name in ("state", "run"):
        (folder / name).mkdir(parents=True)
    settings = {
        "CV_ENV": "production",
        "SECRET_KEY": secrets.token_hex(32),
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "false",
        "BIND": "127.0.0.1:0",
        "WEB_CONCURRENCY": "1",
        "CV_DATA_DIR": str(data),
        "CV_STATE_DIR": str(folder / "state"),
        "CV_RUN_DIR": str(folder / "run"),
        "ACCESS_LOG": str(folder / "access.log"),
        "ERROR_LOG": str(folder / "error.log"),
        **more,
    }
    server = Server("cv-query", core, folder, [program], settings)
    stack.callback(server.stop)
    port = server.ready_port()
    server.urls = {work: (port, path) for work, path in PATHS.items()}
    return server
