"""A steady load of real requests that checks every answer, and nginx as it stands before the service."""
import itertools
import os
import random
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager, suppress

import pytest

from service import wait_until
from wire import Malformed, ask, connect, request, split_one

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
# A request is tried once on each server listed. All connections that nginx keeps may be to one worker, and that one
# dead; so the one socket stands there once more than there are kept ones.
KEPT = 16
NGINX_CONF = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream query {{
{servers}
    keepalive {kept};
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://query;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host localhost;
      proxy_next_upstream error timeout;
    }}
  }}
}}
"""


class Lost(Exception):
    """A request that got no right answer, and why."""


class Closed(Lost):
    """The connection ended before the answer was whole."""

    def __init__(self, how, received):
        super().__init__(f"{how} after {len(received)} bytes of the answer")
        self.untouched = not received


def read_answer(link):
    """The one answer that comes on the connection."""
    received = b""
    while True:
        found = split_one(received)
        if found:
            answer, rest = found
            if rest:
                raise Lost(f"bytes behind the answer: {rest[:100]!r}")
            return answer
        try:
            part = link.recv(1 << 16)
        except ConnectionResetError as error:
            raise Closed("reset", received) from error
        if not part:
            raise Closed("closed", received)
        received += part


def exchange(link, target, keeps):
    """Sends one request and reads its answer; one that is to be the last is read to the end of the connection."""
    try:
        link.sendall(request(target, headers={} if keeps else {"Connection": "close"}))
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed("closed while asked", b"") from error
    answer = read_answer(link)
    if not keeps and link.recv(1):
        raise Lost("bytes behind the last answer")
    return answer


class Client(threading.Thread):
    """Asks in a loop, on one connection as long as that may be or on a fresh one for each request."""

    def __init__(self, load, number, keeps):
        super().__init__(daemon=True)
        self.load = load
        self.keeps = keeps
        self.targets = itertools.islice(itertools.cycle(load.wanted), number, None)
        self.link = None

    def run(self):
        for target in self.targets:
            if self.load.ended.is_set() or not self.ask(target):
                break
            self.load.ended.wait(self.load.pause)
        self.hang_up()

    def ask(self, target):
        """One request and what is counted of it; False when the service has gone as expected."""
        self.load.count("sent")
        try:
            answer = self.answer(target)
            if answer.status != 200 or answer.body not in self.load.wanted[target]:
                raise Lost(f"{answer.status} {answer.body[:200]!r}")
            self.load.count("right")
            if not self.keeps or "close" in answer.tokens("Connection"):
                self.hang_up()
        except (ConnectionRefusedError, FileNotFoundError) as error:
            self.hang_up()
            if self.load.gone.is_set():
                self.load.count("refused")
                return False
            self.load.lose(target, self.keeps, error)
        except (Lost, Malformed, AssertionError, OSError) as error:
            self.hang_up()
            self.load.lose(target, self.keeps, error)
        return True

    def answer(self, target):
        """The answer; once more on a fresh connection when one used before had been closed (RFC 9112, 9.3.1)."""
        used = self.link is not None
        if not used:
            self.link = connect(self.load.address, self.load.deadline)
        try:
            return exchange(self.link, target, self.keeps)
        except Closed as cut:
            if not used or not cut.untouched:
                raise
        self.hang_up()
        self.load.count("retried")
        self.link = connect(self.load.address, self.load.deadline)
        return exchange(self.link, target, self.keeps)

    def hang_up(self):
        """Closes the connection, if there is one."""
        if self.link is not None:
            self.link.close()
            self.link = None


class Load:
    """What a load has asked and got: sent = right + refused + len(lost), once it has ended."""

    def __init__(self, address, wanted, pause, deadline):
        self.address = address
        self.wanted = {target: {body} if isinstance(body, bytes) else set(body) for target, body in wanted.items()}
        self.pause = pause
        self.deadline = deadline
        self.gone = threading.Event()
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.sent = self.right = self.retried = self.refused = 0
        self.lost = []

    def count(self, what):
        """One more of it."""
        with self.lock:
            setattr(self, what, getattr(self, what) + 1)

    def lose(self, target, keeps, error):
        """A request that got no right answer."""
        with self.lock:
            self.lost.append(f"{target} on a {'kept' if keeps else 'fresh'} connection: {error!r}")

    def expect_gone(self):
        """From now on a refused connect is an end like any other."""
        self.gone.set()

    def more(self, count=50):
        """Waits until so many more have been answered."""
        before = self.right
        wait_until(lambda: self.right >= before + count, deadline=20)


def bodies(service, *targets):
    """What the service answers now, as what a load is to get."""
    answers = {target: ask(service, target) for target in targets or ("/api/v1/cvs/mina/", "/api/v1/cvs/omid/")}
    assert all(answer.status == 200 for answer in answers.values()), answers
    return {target: answer.body for target, answer in answers.items()}


@contextmanager
def steady_load(address, wanted, kept=3, fresh=3, pause=0.005, deadline=15.0):
    """So many clients of each kind ask for the length of a block; `wanted` is target → body, or several."""
    load = Load(address, wanted, pause, deadline)
    clients = [Client(load, number, number < kept) for number in range(kept + fresh)]
    for client in clients:
        client.start()
    try:
        load.more(2 * len(clients))
        yield load
    finally:
        load.ended.set()
        for client in clients:
            client.join(2 * deadline)
    assert not any(client.is_alive() for client in clients), "a client waits for ever"
    assert load.sent == load.right + load.refused + len(load.lost)


PORTS = iter(random.sample(range(20000, 32000), 12000))


def free_port():
    """A port of 127.0.0.1 that nobody has now, and that is given to no other caller.

    None of those that the kernel gives to clients and to who asks for port 0, which could be taken before it is used.
    """
    for port in PORTS:
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


@contextmanager
def nginx_before(folder, upstream):
    """nginx before the service's unix socket; its address."""
    if NGINX is None:
        assert os.environ.get("CI") != "true", "no nginx here, and CI must have it"
        pytest.skip("needs nginx")
    place = folder / "nginx"
    place.mkdir()
    address = ("127.0.0.1", free_port())
    servers = f"    server unix:{upstream} max_fails=0;\n" * (KEPT + 1)
    (place / "nginx.conf").write_text(NGINX_CONF.format(folder=place, servers=servers, kept=KEPT, port=address[1]))
    with subprocess.Popen([NGINX, "-p", place, "-c", place / "nginx.conf", "-e", place / "nginx.log"],
                          stdin=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(address))
            yield address
        finally:
            process.terminate()


def answers(address):
    """Whether somebody takes connections there."""
    try:
        connect(address).close()
    except OSError:
        return False
    return True
