"""nginx as it is shipped, before a service: rendered by scripts/render-proxy.sh, with a certificate for development."""
import http.client
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager, suppress

from load import NGINX, answers, free_port
from service import PROGRAM, ROOT, environment, make_folders, running, title, wait_until
from wire import Answer, read_to_end, send_pieces

HOST = "localhost"


def run_script(name, *arguments, settings=None, code=0):
    """Runs a script of the repository with these settings alone."""
    env = {"PATH": os.environ["PATH"], "CV_BIN_DIR": str(PROGRAM.parent), **(settings or {})}
    finished = subprocess.run([ROOT / "scripts" / name, *map(str, arguments)], env=env, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert finished.returncode == code, finished
    return finished


def is_serving(worker):
    """Whether this process of nginx, by its pid, still takes in what is new: its title tells."""
    return "worker process" in (said := title(worker)) and "shutting down" not in said


class Edge:
    """A running nginx: its ports, files and logs."""

    def __init__(self, folder, site, settings):
        self.folder = folder / "edge"
        self.folder.mkdir(exist_ok=True)
        self.site = site
        self.http, self.https = free_port(), free_port()
        run_script("dev-certificate.sh", self.folder / "tls")
        self.authority = self.folder / "tls/ca.pem"
        self.settings = {
            **environment(folder, None), "BIND": f"unix:{folder}/query.sock", "HTTP_PORT": str(self.http),
            "HTTPS_PORT": str(self.https), "TLS_CERTIFICATE": f"{self.folder}/tls/cert.pem",
            "TLS_CERTIFICATE_KEY": f"{self.folder}/tls/key.pem", **settings}
        self.settings = {name: value for name, value in self.settings.items() if value is not None}
        self.plain = self.settings["TLS_CERTIFICATE"] == "off"
        self.render()
        self.process = subprocess.Popen([NGINX, "-c", self.folder / "conf/nginx.conf", "-e", "stderr", "-g", "daemon off;"],
                                        stdin=subprocess.DEVNULL, stderr=open(self.folder / "stderr.txt", "wb"))
        port = self.http if self.plain else self.https
        wait_until(lambda: self.process.poll() is not None or answers(("127.0.0.1", port)))
        assert self.process.poll() is None, (self.folder / "stderr.txt").read_text()

    def render(self, **settings):
        """Writes the configuration anew, with other settings if need be."""
        self.settings.update(settings)
        return run_script("render-proxy.sh", "--out", self.folder / "conf", "--work", self.folder / "work", "--site", self.site,
                          "--logs", self.folder / "logs", settings=self.settings)

    def workers(self):
        """The pids of nginx's processes that serve."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path, encoding="ascii") as listed:
            return set(listed.read().split())

    def reload(self):
        """Has nginx read its configuration; returns once the processes of before take nothing more in."""
        before = self.workers()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.workers() - before and not any(map(is_serving, before)))

    def tls(self, name=HOST, **options):
        """A TLS connection as a client makes it; `name` of None names nobody in the handshake."""
        context = ssl.create_default_context(cafile=self.authority)
        context.check_hostname = False
        for key, value in options.items():
            value(context) if callable(value) else setattr(context, key, value)
        link = socket.create_connection(("127.0.0.1", self.https), timeout=10)
        try:
            return context.wrap_socket(link, server_hostname=name)
        except BaseException:
            link.close()
            raise

    def connection(self):
        """A connection on which requests follow one another."""
        context = ssl.create_default_context(cafile=self.authority)
        if self.plain:
            return http.client.HTTPConnection(HOST, self.http, timeout=10)
        return http.client.HTTPSConnection(HOST, self.https, timeout=10, context=context)

    def ask(self, target="/api/v1/", method="GET", headers=None, host=HOST, over=None, **named):
        """One answer, on a connection of its own or `over` one that is open. Names in `named` are headers too.

        Once more on a fresh connection when the kept one had been closed meanwhile (RFC 9112, 9.3.1).
        """
        link = over or self.connection()
        kept = link.sock is not None
        given = {"Host": host, "Accept-Encoding": "identity", **(headers or {})}
        given.update({name.replace("_", "-"): value for name, value in named.items()})
        try:
            link.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                link.putheader(name, value)
            link.endheaders()
            response = link.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            if not kept:
                raise
            link.close()
            return self.ask(target, method, given, host, link)
        finally:
            if not over:
                link.close()

    def talk(self, data, tls=True, half_close=False):
        """Sends bytes as they are and reads until nginx closes."""
        link = self.tls() if tls and not self.plain else socket.create_connection(("127.0.0.1", self.http), timeout=10)
        with link:
            with suppress(ssl.SSLError): # it has hung up already
                send_pieces(link, [data], half_close)
            return read_to_end(link, 15, allow_reset=True)

    def curl(self, *arguments):
        """What curl prints."""
        finished = subprocess.run(["curl", "-sS", "--cacert", self.authority, "--max-time", "20", *map(str, arguments)],
                                  capture_output=True, text=True, check=False, timeout=30)
        assert finished.returncode == 0, finished
        return finished.stdout

    @property
    def url(self):
        """Where clients ask."""
        return f"http://{HOST}:{self.http}" if self.plain else f"https://{HOST}:{self.https}"

    def log(self):
        """The whole lines of the access log up to now."""
        path = self.folder / "logs/access.log"
        text = path.read_text("utf-8") if path.exists() else ""
        return text[:text.rfind("\n") + 1]

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def edge_before(folder, site, settings=None):
    """nginx before whatever listens on `folder/query.sock`."""
    make_folders(folder)
    started = Edge(folder, site, settings or {})
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def edge_and_service(folder, site, settings=None, own=None):
    """nginx and a service behind it over `folder/data`; `own` are settings of nginx alone."""
    with running(folder, {"BIND": f"unix:{folder}/query.sock", **(settings or {})}) as service:
        with edge_before(folder, site, {**(settings or {}), **(own or {})}) as edge:
            yield edge, service


def fresh_second():
    """Waits for a second of the clock to begin, by which nginx counts a stored answer's age."""
    now = time.time()
    wait_until(lambda: int(time.time()) > int(now))


class Traffic:
    """Asks in a few threads until told to stop; what a question gives is right, false or an exception is lost."""

    def __init__(self, question, clients):
        self.question, self.ended = question, threading.Event()
        self.count, self.lost, self.lock = 0, [], threading.Lock()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]

    def run(self):
        """One client."""
        while not self.ended.is_set():
            try:
                fault = None if self.question() else "not as expected"
            except (OSError, http.client.HTTPException) as error:
                fault = repr(error)
            with self.lock:
                self.count += 1
                if fault:
                    self.lost.append(fault)


@contextmanager
def traffic(question, clients=3):
    """A load for the length of a block."""
    started = Traffic(question, clients)
    for thread in started.threads:
        thread.start()
    try:
        yield started
    finally:
        started.ended.set()
        for thread in started.threads:
            thread.join(30)
