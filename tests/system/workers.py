"""What tests ask of an arbiter's workers, and slow answers that they are in the middle of."""
import os
import signal
from pathlib import Path

from service import wait_until
from wire import ask, Conversation, request, split_one

MINA = "/api/v1/cvs/mina/"
PDF = b"%PDF-1.4\n" + bytes(24 << 20)


def state_of(pid):
    """The process's state as in ps: one letter, and its CPU time in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connections(service, pid):
    """How many connections a worker has: its sockets but for those it listens on."""
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(descriptor))
        except FileNotFoundError:
            continue
    return sum(name.startswith("socket:") for name in found) - len(service.addresses)


def freeze(service, *pids):
    """Stops processes; the connections that they have then are what they can have in flight."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(state_of(pid)[0] == "T" for pid in pids))
    return sum(connections(service, pid) for pid in pids)


def report(service):
    """The check of the workers in the health report."""
    return ask(service, "/api/v1/health/").json()["checks"]["workers"]


def complete(service, wanted, gone=()):
    """Whether all workers are there and ready, and none of those that are to be gone."""
    pids = service.children("worker")
    return (len(pids) == wanted and not set(pids) & set(gone) and
            report(service)["instances"]["query-0"]["ready"] == wanted)


def log_of(service):
    """The error log so far."""
    return service.error_log.read_text("utf-8")


def begin_slow_answer(stack, service):
    """A connection on which a large answer has begun, and waits to be read."""
    slow = stack.enter_context(Conversation(service.address, 15))
    slow.send(request("/api/v1/cvs/mina/pdf/"))
    while b"\r\n\r\n" not in slow.buffer:
        slow.buffer += slow.link.recv(1000)
    return slow


def end_slow_answer(slow):
    """Reads all that is left of it."""
    received = bytearray(slow.buffer)
    while len(received) < slow.buffer.index(b"\r\n\r\n") + 4 + len(PDF):
        part = slow.link.recv(1 << 20)
        assert part, f"closed after {len(received)} bytes"
        received += part
    return split_one(bytes(received))[0]


def until_closing(kept):
    """Asks on one connection until the service says that it ends there; it must not be ready then."""
    while True:
        answer = kept.ask("/readyz")
        if "close" in answer.tokens("Connection"):
            assert answer.status == 503 and answer.body == b"stopping\n"
            return
        assert answer.status in (200, 503)


def checks(service):
    """The checks of the health report."""
    return ask(service, "/api/v1/health/").json()["checks"]


def first_name(service, person):
    """The first name of a person as it is served; None without one."""
    answer = ask(service, f"/api/v1/cvs/{person}/")
    assert answer.status in (200, 404)
    return answer.json()["basics"][0]["fname"] if answer.status == 200 else None


def version_of_one(service):
    """The version of one large CV, once it is there."""
    answer = ask(service, "/api/v1/cvs/p1/")
    return answer.json()["education"][0]["summary"].split()[0] if answer.status == 200 else None


def turns_of(pid, count):
    """Waits until the arbiter has looked around so many times."""
    def waits():
        lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    end = waits() + count
    wait_until(lambda: waits() >= end)
