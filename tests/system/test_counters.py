"""Counters agree exactly with what clients have sent, whatever becomes of the workers meanwhile."""
import os
import signal
import threading
from collections import Counter
from contextlib import contextmanager

import pytest

from counters import KINDS, REFUSED, add_pdf, asking
from samples import SMALL
from service import wait_until, write_cvs
from sidecar import is_ready, launched, metrics, select, watching

REQUESTS = "http_server_request_duration_seconds"
OWN = "/api/v1/health/"  # what the sidecar itself asks for
WORKERS = 3


class Counted:
    """A service of three workers whose settings are in a file, and its sidecar."""

    def __init__(self, service, sidecar, file):
        self.service, self.sidecar, self.file = service, sidecar, file

    def requests(self, suffix="_count", **more):
        """What is counted by (method, route, status), without what the sidecar asks."""
        found = Counter()
        for (name, labels), value in metrics(self.sidecar).items():
            labels = dict(labels)
            if name != REQUESTS + suffix or labels["http_route"] == OWN or more.items() - labels.items():
                continue
            assert value == int(value)
            found[labels["http_request_method"], labels["http_route"],
                  int(labels["http_response_status_code"])] += int(value)
        return +found

    def refused(self):
        """Heads refused, by reason."""
        return +Counter({dict(labels)["reason"]: int(value) for (name, labels), value in
                         metrics(self.sidecar).items() if name == "cv_refused_heads_total"})

    def connections(self):
        """Connections but for the sidecar's own, of which each asks once."""
        samples = metrics(self.sidecar)
        return (select(samples, "cv_connections_total") -
                select(samples, REQUESTS + "_count", http_route=OWN))

    def settle(self, settings):
        """New settings, and SIGHUP; waits until they are in force."""
        before = select(metrics(self.sidecar), "cv_reloads_total")
        self.file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self.service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: select(metrics(self.sidecar), "cv_reloads_total") == before + 1)

    def ended(self, reason):
        """Workers that have ended for this reason."""
        return select(metrics(self.sidecar), "cv_worker_ends_total", reason=reason)


@pytest.fixture(name="counted")
def fixture_counted(tmp_path):
    """One for each test."""
    write_cvs(tmp_path, SMALL)
    add_pdf(tmp_path)
    file = tmp_path / "settings"
    file.write_text("KEEPALIVE=60\n")
    settings = {"WEB_CONCURRENCY": str(WORKERS)}
    with launched(tmp_path, "--config", file, settings=settings) as service:
        service.ready()
        with watching(tmp_path, settings) as sidecar:
            wait_until(lambda: is_ready(sidecar))
            wait_until(lambda: select(metrics(sidecar), "cv_workers", state="ready") == WORKERS)
            yield Counted(service, sidecar, file)


def nothing(_counted, _sent):
    """Steady."""


def reload(counted, _sent):
    """Other settings: all workers are replaced."""
    before = counted.service.children("worker")
    counted.settle({"KEEPALIVE": "61", "LOG_LEVEL": "warning"})
    wait_until(lambda: counted.ended("replaced") >= WORKERS)
    assert not set(before) & set(counted.service.children("worker"))


def wear(counted, sent):
    """Workers are worn by what they are asked, several times over."""
    counted.settle({"MAX_REQUESTS": "200", "MAX_REQUESTS_JITTER": "20"})
    more(sent, 2000)
    wait_until(lambda: counted.ended("worn") >= 4)


def drain(counted, sent):
    """A worker is asked to leave by a signal of its own, another after it."""
    for number in range(2):
        os.kill(counted.service.children("worker")[0], signal.SIGTERM)
        wait_until(lambda least=number + 1: counted.ended("replaced") >= least)
        more(sent, 200)


def more(sent, count=400):
    """Waits until so many more have been answered."""
    before = sent.requests.total()
    wait_until(lambda: sent.requests.total() >= before + count, 30)


@contextmanager
def never_falling(counted):
    """Reads the totals again and again for the length of a block; none ever falls, and none goes."""
    done, fallen, rounds = threading.Event(), [], []

    def watch():
        before = {}
        while not done.wait(0.02):
            now = {key: value for key, value in metrics(counted.sidecar).items()
                   if key[0].endswith(("_total", "_count", "_bucket", "_sum"))}
            fallen.extend((key, value, now.get(key)) for key, value in before.items()
                          if now.get(key, -1) < value)
            before = now
            rounds.append(len(now))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(10)
    assert not thread.is_alive() and rounds and not fallen, fallen[:5]


@pytest.mark.parametrize("disturb", [nothing, reload, wear, drain])
def test_exact(counted, disturb):
    """Not one more and not one less, of any kind, nor of refused heads, nor of connections."""
    with never_falling(counted), asking(counted.service.address) as sent:
        more(sent)
        disturb(counted, sent)
        more(sent)
    assert len(sent.requests) >= len({kind[1] for kind in KINDS}) and len(sent.refused) == 4
    assert sent.requests.total() >= len(KINDS) + len(REFUSED)
    wait_until(lambda: counted.requests() == sent.requests or differs(counted, sent), 5)
    assert counted.requests() == sent.requests
    assert counted.requests("_bucket", le="+Inf") == sent.requests
    assert counted.refused() == sent.refused
    wait_until(lambda: counted.connections() == sent.connections)


def differs(counted, sent):
    """Whether more has been counted than was sent: then waiting helps nothing."""
    return bool(counted.requests() - sent.requests)


def test_a_worker_killed(counted):
    """SIGKILL under load: what clients have got is counted but for, at most, one on each connection."""
    clients = 8
    with never_falling(counted), asking(counted.service.address, clients, patient=True) as sent:
        more(sent)
        for number in range(2):
            os.kill(counted.service.children("worker")[0], signal.SIGKILL)
            wait_until(lambda least=number + 1: counted.ended("died") >= least)
            more(sent)
    assert sent.unanswered <= 2 * clients
    wait_until(lambda: counted.connections() >= sent.connections - 2 * clients)
    missing = (sent.requests - counted.requests()).total()
    beyond = (counted.requests() - sent.requests).total()
    assert missing <= 2 * clients, f"{missing} of {sent.requests.total()} are not counted"
    assert beyond <= sent.unanswered, f"{beyond} are counted and {sent.unanswered} got no answer"
    assert abs(counted.connections() - sent.connections) <= 2 * clients
