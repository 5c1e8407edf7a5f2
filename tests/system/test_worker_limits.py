"""Workers at their limits: MAX_REQUESTS, deaths in a row, descriptors, the clock; their names, logs and folders."""
import os
import re
import resource
import signal
import time
from contextlib import ExitStack, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from load import bodies, steady_load
from samples import SMALL
from service import running, SANITIZED, title, wait_until, write_cvs
from test_state import slow_load
from wire import ask, Conversation, request
from workers import complete, connections, log_of, report, state_of

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
DAY = 86400


def test_worn_workers_leave(start_workers):
    """MAX_REQUESTS: each answers as many and at most the jitter more; somebody is always ready, nothing is lost."""
    service = start_workers(3, MAX_REQUESTS="1000", MAX_REQUESTS_JITTER="50")

    def left():
        assert report(service)["instances"]["query-0"]["ready"] >= 1
        return re.findall(r"a worker has left pid=\d+ answered=(\d+)", log_of(service))

    with steady_load(service.address, bodies(service), pause=0.002) as load:
        wait_until(lambda: len(left()) >= 8, deadline=60)
        answered = [int(number) for number in left()]
    assert not load.lost
    assert min(answered) >= 1000 and max(answered) <= 1050, answered
    assert "died" not in log_of(service)


def test_connections_are_shared_out(start_workers):
    """64 that come at once on four workers: none has fewer than half of its part."""
    service = start_workers(4)
    with ExitStack() as stack:
        opened = [stack.enter_context(Conversation(service.address)) for _ in range(64)]
        wait_until(lambda: sum(connections(service, pid) for pid in service.children("worker")) == 64)
        shares = [connections(service, pid) for pid in service.children("worker")]
        assert len(shares) == 4 and min(shares) >= 8, shares
        assert all(one.ask("/livez").status == 200 for one in opened)


def test_workers_that_cannot_start(start_workers, tmp_path):
    """Each further one is tried later, the report tells of it, and all is well once the cause is gone."""
    service = start_workers(2)
    lock = tmp_path / "state/lock.mdb"
    lock.rename(tmp_path / "aside")
    lock.mkdir()
    begun = time.monotonic()
    os.kill(service.children("worker")[0], signal.SIGKILL)
    wait_until(lambda: log_of(service).count("a worker died") >= 6)
    assert time.monotonic() - begun >= 1.4, "pauses of 0.1, 0.2, 0.4 and 0.8 s"
    check = report(service)
    assert check["status"] == "warn" and "keep dying" in check["message"] and "exit code" in check["message"]
    assert "Is a directory" in log_of(service)
    lock.rmdir()
    (tmp_path / "aside").rename(lock)
    wait_until(lambda: complete(service, 2), deadline=20)


def test_workers_that_are_killed_again_and_again(start_workers):
    """The arbiter stays, starts no storm of processes, and goes on when it is over."""
    service = start_workers(1)
    seen = set()
    cpu = state_of(service.process.pid)[1]
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        for pid in service.children("worker"):
            seen.add(pid)
            with suppress(ProcessLookupError):  # it is dying already
                os.kill(pid, signal.SIGKILL)
    assert 2 <= len(seen) <= 8 and service.process.poll() is None
    assert state_of(service.process.pid)[1] - cpu < 0.5
    wait_until(lambda: service.children("worker"), deadline=20)
    wait_until(lambda: complete(service, 1), deadline=20)
    assert report(service)["status"] == "warn"


def test_names_of_processes(start_workers, tmp_path):
    """PROC_NAME and the role in ps; the arbiter's pid in the pid file."""
    service = start_workers(2, PROC_NAME="my_cv")
    assert title(service.process.pid) == "my_cv: arbiter"
    assert [title(pid) for pid in service.children("worker")] == ["my_cv: worker"] * 2
    assert (tmp_path / "run/query-0/pid").read_text("utf-8") == f"{service.process.pid}\n"
    slow_load(tmp_path, 10)
    assert title(wait_until(lambda: service.children("loader"))[0]) == "my_cv: loader"


def test_instances_side_by_side(start_workers, tmp_path):
    """The lowest name that is free, in one run folder."""
    first = start_workers(1)
    write_cvs(tmp_path / "other", SMALL)
    with running(tmp_path / "other", {"CV_RUN_DIR": str(tmp_path / "run")}) as second:
        for service, name in ((first, "query-0"), (second, "query-1")):
            assert (tmp_path / "run" / name / "pid").read_text("utf-8") == f"{service.process.pid}\n"
            assert list(report(service)["instances"]) == [name]
    assert os.listdir(tmp_path / "run") == ["query-0"]


def test_logs_are_opened_again(start_workers, tmp_path):
    """SIGUSR1 behind a rename: arbiter and workers go on in new files, and hold the old ones no longer."""
    service = start_workers(2)
    processes = [service.process.pid, *service.children("worker")]
    for log in (service.access_log, service.error_log):
        log.rename(f"{log}.1")

    def holds_old(pid):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                if os.readlink(link).endswith(".log.1"):
                    return True
        return False

    assert all(map(holds_old, processes))
    service.process.send_signal(signal.SIGUSR1)
    wait_until(lambda: not any(map(holds_old, processes)))
    with ExitStack() as stack:
        opened = [stack.enter_context(Conversation(service.address)) for _ in range(16)]
        wait_until(lambda: all(connections(service, pid) > 0 for pid in processes[1:]))
        for number, one in enumerate(opened):
            assert one.ask(f"/nothing/{number}").status == 404
            one.send(b"no request\r\n\r\n")
            assert one.answer().status == 400
    for number in range(16):
        wait_until(lambda n=number: f"/nothing/{n}\"" in service.access_log.read_text("utf-8"))
    wait_until(lambda: log_of(service).count("a request head was refused") == 16)
    assert "arbiter logs opened again" in log_of(service)
    assert "/nothing/" not in (tmp_path / "access.log.1").read_text("utf-8")


@pytest.mark.skipif(SANITIZED, reason="the sanitizers need descriptors themselves")
def test_descriptors_used_up(start_workers):
    """No spin while there are none, and an answer within a second of their coming back."""
    service = start_workers(1)
    worker = service.children("worker")[0]
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (64, 64))
    with ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Conversation(service.address)).send(request("/livez"))
        wait_until(lambda: "cannot accept connections" in log_of(service))
        before = state_of(worker)[1]
        time.sleep(1)  # what is measured
        assert state_of(worker)[1] - before < 0.3
    begun = time.monotonic()
    assert ask(service, "/api/v1/cvs/mina/").status == 200
    assert time.monotonic() - begun < 1
    assert service.children("worker") == [worker]


def fake_clock(clock):
    """Settings that give a service a clock of the test's own; skips where that cannot be."""
    if SANITIZED:
        pytest.skip("the address sanitizer must be the first library, and so must libfaketime")
    if not FAKETIME.exists():
        assert os.environ.get("CI") != "true", "no libfaketime here, and CI must have it"
        pytest.skip("needs libfaketime")
    clock.write_text("+0")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def test_the_clock_moved_by_a_day(start_workers, tmp_path):
    """Forward and back: nobody is killed, no connection ends before its time; the Date header follows."""
    clock = tmp_path / "clock"
    service = start_workers(2, TIMEOUT="1", KEEPALIVE="2", **fake_clock(clock))
    workers = service.children("worker")

    def off():
        return parsedate_to_datetime(ask(service, "/livez").header("Date")).timestamp() - time.time()

    with steady_load(service.address, bodies(service)) as load:
        for shift, days in (("+1d", 1), ("+0", 0), ("-1d", -1)):
            with Conversation(service.address) as idle:
                idle.ask("/livez")
                clock.write_text(shift)
                wait_until(lambda wanted=days: abs(off() - wanted * DAY) < 10)
                load.more()
                assert idle.ask("/livez").status == 200
                begun = time.monotonic()
                assert idle.ended() and time.monotonic() - begun > 1.9
    assert not load.lost and not load.retried
    assert service.children("worker") == workers and "heartbeat" not in log_of(service)
