"""The servers of the benchmark: how each is started on its core, asked, measured and ended."""

import contextlib
import grp
import gzip
import os
import pwd
import re
import secrets
import select
import socket
import ssl
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATHS = {"list": "/api/v1/cvs/", "section": "/api/v1/cvs/ramin/education/", "cv": "/api/v1/cvs/ramin/"}
START_SECONDS = 30
STOP_SECONDS = 30


class Failure(Exception):
    """What makes the figures worthless; told in one line."""


class Server:
    """A server process pinned to a core. `urls` says where it answers each work, `log` is its access log.

    One with an `authority`, a file of the certificate that vouches for it, is asked by TLS and for gzip. Who stands
    `behind` it works on the same core, and its time counts too.
    """

    authority: Path | None = None
    behind: "Server | None" = None

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
        """The port that its line of readiness names; 0 for a unix socket."""
        deadline = time.monotonic() + START_SECONDS
        while select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
            line = self.process.stdout.readline().decode()
            if found := re.search(r"ready on (?:http://127\.0\.0\.1:(\d+)|unix:)", line):
                return int(found[1] or 0)
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

    def load_arguments(self, work: str) -> list[str]:
        """What wrk is told of whom to ask for what."""
        port, path = self.urls[work]
        if self.authority:
            return ["-H", "Accept-Encoding: gzip", f"https://127.0.0.1:{port}{path}"]
        return [f"http://127.0.0.1:{port}{path}"]

    def fetch(self, work: str) -> tuple[bytes, bytes]:
        """Head and body of the answer to just what wrk sends."""
        port, path = self.urls[work]
        coding = "Accept-Encoding: gzip\r\n" if self.authority else ""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{coding}\r\n"
        head = b""
        try:
            with contextlib.ExitStack() as opened:
                connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
                if self.authority:
                    context = ssl.create_default_context(cafile=self.authority)
                    connection = opened.enter_context(context.wrap_socket(connection, server_hostname="127.0.0.1"))
                connection.sendall(request.encode())
                stream = opened.enter_context(connection.makefile("rb"))
                while not head.endswith(b"\r\n\r\n") and (line := stream.readline()):
                    head += line
                length = re.search(rb"\ncontent-length: *(\d+)", head, re.IGNORECASE)
                return head, stream.read(int(length[1])) if length else b""
        except OSError as error:
            raise self.failure(f"does not answer {work}: {error}") from error

    def check(self, work: str, body: bytes) -> tuple[bytes, bytes]:
        """Head and body of the answer, once it is known to be 200, right, and for a connection that is kept.

        It is compressed only where gzip was asked for.
        """
        head, got = self.fetch(work)
        unwanted = rb"connection: *close" if self.authority else rb"content-encoding|connection: *close"
        if not head.startswith(b"HTTP/1.1 200 ") or re.search(unwanted, head, re.IGNORECASE):
            raise self.failure(f"answers {work} with\n{head.decode(errors='replace')}")
        plain = gzip.decompress(got) if re.search(rb"\ncontent-encoding: *gzip", head, re.IGNORECASE) else got
        if plain != body:
            raise self.failure(f"answers {work} with another body than the CV files hold ({len(plain)} bytes)")
        return head, got

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
        if self.behind:
            theirs = self.behind.cpu_nanoseconds()
            theirs["ended"] += times.pop("ended")
            times.update(theirs)
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


def free_ports(count: int) -> list[int]:
    """As many different ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as opened:
        free = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in free]


def run_nginx(name: str, core: int, folder: Path, arguments: list, port: int, stack) -> Server:
    """nginx with the configuration in these arguments, which listens on this port."""
    server = Server(name, core, folder, ["nginx", *arguments, "-g", "daemon off;"])
    stack.callback(server.stop)
    server.wait_for_port(port)
    return server


def write_files(root: Path, bodies: dict[str, bytes], like: Server | None) -> dict[str, str]:
    """Each body as a plain file, beside it the compressed bytes that `like` answers, if given; their URLs' paths.

    An index file would cost nginx an internal redirect.
    """
    urls = {work: path + "body.json" for work, path in PATHS.items()}
    for work, body in bodies.items():
        file = root / urls[work].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        if like and (answered := like.check(work, body)[1]) != body:
            file.with_name(file.name + ".gz").write_bytes(answered)
    return urls


def start_nginx(core: int, folder: Path, bodies: dict[str, bytes], stack, like: Server | None = None) -> Server:
    """nginx for static files and nothing else; with the edge `like`, by its TLS and with its compressed bytes."""
    folder.mkdir()
    urls = write_files(folder / "static", bodies, like)
    (port,) = free_ports(1)
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    configuration = (HERE / "nginx.conf.in").read_text(encoding="utf-8")
    listen = f"listen 127.0.0.1:{port};"
    if like:
        listen = f"listen 127.0.0.1:{port} ssl http2; include {like.folder}/conf/tls.conf; gzip_static on;"
    for name, value in {"@LISTEN@": listen, "@USER@": user, "@GROUP@": group}.items():
        configuration = configuration.replace(name, value)
    (folder / "nginx.conf").write_text(configuration, encoding="utf-8")
    arguments = ["-p", folder, "-c", "nginx.conf", "-e", "error.log"]
    server = run_nginx("nginx-tls" if like else "nginx", core, folder, arguments, port, stack)
    server.authority = like.authority if like else None
    server.urls = {work: (port, url) for work, url in urls.items()}
    return server


def render_edge(core: int, folder: Path, program: Path, more: dict[str, str]) -> int:
    """nginx's configuration as it is shipped, with TLS and cache; the port it will listen on.

    That is on loopback alone, as for development; the rate limit counts but is never reached.
    """
    port, http_port = free_ports(2)
    settings = {
        "PATH": os.environ["PATH"],
        "CV_BIN_DIR": str(program.parent),
        "CV_ENV": "development",
        "ALLOWED_HOSTS": "127.0.0.1",
        "BIND": f"unix:{folder}/socket",
        "HTTP_PORT": str(http_port),
        "HTTPS_PORT": str(port),
        "TLS_CERTIFICATE": f"{folder}/tls/cert.pem",
        "TLS_CERTIFICATE_KEY": f"{folder}/tls/key.pem",
        "RATE_LIMIT": "1000000/s",
        **more,
    }
    (folder / "site").mkdir(parents=True)
    (folder / "site/error.html").touch()
    render = [ROOT / "scripts/render-proxy.sh", "--out", folder / "conf", "--site", folder / "site", "--logs", folder]
    for command in (
        [ROOT / "scripts/dev-certificate.sh", folder / "tls"],
        ["taskset", "-c", str(core), *render],  # nginx has as many processes as there are cores
    ):
        done = subprocess.run(command, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise Failure(f"the edge cannot be set up: {done.stderr}")
    return port


def run_edge(name: str, core: int, folder: Path, port: int, stack) -> Server:
    """nginx with what render_edge() has written."""
    server = run_nginx(name, core, folder, ["-c", folder / "conf/nginx.conf", "-e", "stderr"], port, stack)
    server.authority = folder / "tls/ca.pem"
    return server


def start_edge(core: int, folder: Path, program: Path, data: Path, more: dict[str, str], stack) -> Server:
    """The whole stack as in production: nginx, and behind it cv-query on a socket."""
    port = render_edge(core, folder, program, more)
    service = start_cv_query(core, folder / "cv-query", program, data, {"BIND": f"unix:{folder}/socket", **more}, stack)
    server = run_edge("edge", core, folder, port, stack)
    server.behind = service
    server.urls = {work: (port, path) for work, path in PATHS.items()}
    return server


def start_edge_static(core: int, folder: Path, program: Path, bodies: dict[str, bytes], like: Server, stack) -> Server:
    """nginx with all that the edge has, headers, limits and log, but with files in the place of cache and service."""
    port = render_edge(core, folder, program, {})
    urls = write_files(folder / "static", bodies, like)
    (folder / "conf/cached.conf").write_text("")
    (folder / "conf/upstream.conf").write_text(
        f"root {folder}/static; default_type application/json; gzip_static on;"
        "open_file_cache max=1000 inactive=1h; open_file_cache_valid 1h; open_file_cache_errors on;"
    )
    server = run_edge("edge-static", core, folder, port, stack)
    server.urls = {work: (port, url) for work, url in urls.items()}
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
