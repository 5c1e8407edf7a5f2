"""What happens to workers, and to the arbiter, while requests come steadily: nothing is lost that need not be."""
import os
import re
import resource
import signal
import time
from contextlib import ExitStack, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from load import answers, bodies, free_port, nginx_before, steady_load
from samples import SMALL
from service import PROGRAM, running, title, wait_until, write_cvs
from test_state import slow_load
from wire import Conversation, ask, request, split_one

PDF = b"%PDF-1.4\n" + bytes(24 << 20)
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
DAY = 86400


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


@pytest.fixture
def start(tmp_path):
    """Starts one service with so many workers and waits for all of them."""
    with ExitStack() as stack:
        def starter(workers, **settings):
            write_cvs(tmp_path, SMALL)
            (tmp_path / "data/pdfs/mina.pdf").write_bytes(PDF)
            service = stack.enter_context(running(tmp_path, {"WEB_CONCURRENCY": str(workers), **settings}))
            wait_until(lambda: complete(service, workers))
            return service
        yield starter


def test_killed_workers_are_replaced(start, tmp_path):
    """kill -9: a new one is ready within 1 s; nothing is lost through nginx, and directly only what it had."""
    service = start(3, BIND=f"unix:{tmp_path}/cv.sock")
    wanted = bodies(service)
    in_flight = 0
    with nginx_before(tmp_path, service.address) as proxy, steady_load(proxy, wanted) as through, \
            steady_load(service.address, wanted) as direct:
        for _ in range(4):
            victim = service.children("worker")[0]
            in_flight += freeze(service, victim)
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda gone=victim: complete(service, 3, [gone]), deadline=1)
            direct.more()
            through.more()
    assert not through.lost
    assert len(direct.lost) <= in_flight, direct.lost


def test_all_workers_killed_at_once(start):
    """What waits to be accepted is answered by those that come next."""
    service = start(2)
    victims = service.children("worker")
    freeze(service, *victims)
    with ExitStack() as stack:
        waiting = [stack.enter_context(Conversation(service.address, 10)) for _ in range(40)]
        for one in waiting:
            one.send(request("/api/v1/cvs/mina/"))
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert all(one.answer().status == 200 for one in waiting)
    wait_until(lambda: complete(service, 2, victims))


@pytest.mark.parametrize("hears", [True, False])
def test_a_stuck_worker_is_replaced(start, hears):
    """No heartbeat for TIMEOUT: SIGABRT, then SIGKILL for one that does not hear it; the others serve meanwhile."""
    service = start(2, TIMEOUT="1")
    victim = service.children("worker")[0]
    resource.prlimit(victim, resource.RLIMIT_CORE, (0, 0))
    with steady_load(service.address, bodies(service)) as load:
        in_flight = freeze(service, victim)
        load.more()
        wait_until(lambda: f"no heartbeat: SIGABRT, then SIGKILL pid={victim} TIMEOUT=1" in log_of(service))
        if hears:
            os.kill(victim, signal.SIGCONT)
        wait_until(lambda: complete(service, 2, [victim]))
        load.more()
    by = "signal 6 (Aborted)" if hears else "signal 9 (Killed)"
    assert f'a worker that hung has been ended pid={victim} by="{by}"' in log_of(service)
    assert len(load.lost) <= in_flight, load.lost


def test_the_arbiter_killed(start, tmp_path):
    """Its workers and its loader end by themselves within 2 s; the next one has the same address and name."""
    settings = {"BIND": f"127.0.0.1:{free_port()}"}
    service = start(2, **settings)
    slow_load(tmp_path, 30)
    loader = wait_until(lambda: service.children("loader"))
    with steady_load(service.address, bodies(service)) as load:
        children = loader + service.children("worker")
        load.expect_gone()
        service.process.kill()
        service.process.wait()
        wait_until(lambda: not any(map(title, children)), deadline=2)
    with running(tmp_path, settings) as successor:
        assert successor.address == service.address
        assert (tmp_path / "run/query-0/pid").read_text("utf-8") == f"{successor.process.pid}\n"
        assert os.listdir(tmp_path / "run") == ["query-0"]
        assert ask(successor, "/api/v1/cvs/p1/").status == 200


def test_the_arbiter_killed_with_connections_open(start, tmp_path):
    """Workers that still answer hold no address: the next arbiter has it, and all is back within 2 s."""
    settings = {"BIND": f"127.0.0.1:{free_port()}"}
    service = start(2, **settings)
    children = service.children("worker")
    with ExitStack() as stack:
        slow = begin_slow_answer(stack, service)
        for _ in range(8):
            assert stack.enter_context(Conversation(service.address)).ask("/livez").status == 200
        service.process.kill()
        service.process.wait()
        killed = time.monotonic()
        wait_until(lambda: not answers(service.address), deadline=1.5)
        with running(tmp_path, settings) as successor:
            assert ask(successor, "/api/v1/cvs/mina/").status == 200
            assert time.monotonic() - killed < 2
            assert end_slow_answer(slow).body == PDF
            slow.link.close()
            wait_until(lambda: not any(map(title, children)), deadline=3)  # idle ones get 2 s to be used once more


def test_all_paused(start):
    """A container that is paused for longer than TIMEOUT: nobody is taken for hung when it goes on."""
    service = start(2, TIMEOUT="1")
    workers = service.children("worker")
    everybody = [service.process.pid, *workers]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)  # the pause
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    end = time.monotonic() + 2.5  # beyond TIMEOUT and the second to SIGKILL
    while time.monotonic() < end:
        assert complete(service, 2)
    assert service.children("worker") == workers and "heartbeat" not in log_of(service)


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


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_sigterm_under_load(start, tmp_path, kind):
    """No longer ready, the last answers say so, a slow one is sent to its end, exit 0: nobody loses anything."""
    bind = "127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/cv.sock"
    service = start(2, BIND=bind, GRACEFUL_TIMEOUT="10")
    with ExitStack() as stack, steady_load(service.address, bodies(service)) as load:
        slow = begin_slow_answer(stack, service)
        kept = stack.enter_context(Conversation(service.address))
        assert kept.ask("/readyz").status == 200
        load.expect_gone()
        service.process.send_signal(signal.SIGTERM)
        until_closing(kept)
        assert kept.ended()
        answer = end_slow_answer(slow)
        assert answer.status == 200 and answer.body == PDF
        slow.link.close()
        assert service.process.wait(10) == 0
        wait_until(lambda: load.refused == 6)
    assert not load.lost
    assert os.listdir(tmp_path / "run") == [] and not (tmp_path / "cv.sock").exists()


@pytest.mark.parametrize("signals", [[signal.SIGTERM, signal.SIGTERM], [signal.SIGQUIT]],
                         ids=["SIGTERM twice", "SIGQUIT"])
def test_ending_at_once(start, tmp_path, signals):
    """GRACEFUL_TIMEOUT is not waited for, though an answer is under way."""
    service = start(2, GRACEFUL_TIMEOUT="60")
    with ExitStack() as stack:
        begin_slow_answer(stack, service)
        for number, one in enumerate(signals):
            assert number == 0 or wait_until(lambda: "arbiter draining" in log_of(service))
            assert service.process.poll() is None
            service.process.send_signal(one)
        assert service.process.wait(5) == 0
    assert os.listdir(tmp_path / "run") == []


def test_sigint_from_a_terminal(start):
    """Ctrl-C goes to all processes of the group: the arbiter leads, and it is a drain like any other."""
    service = start(2)
    with steady_load(service.address, bodies(service)) as load:
        load.expect_gone()
        for pid in [*service.children("worker"), service.process.pid]:
            os.kill(pid, signal.SIGINT)
        assert service.process.wait(10) == 0
        wait_until(lambda: load.refused == 6)
    assert not load.lost


def test_worn_workers_leave(start):
    """MAX_REQUESTS: each answers as many and at most the jitter more; somebody is always ready, nothing is lost."""
    service = start(3, MAX_REQUESTS="1000", MAX_REQUESTS_JITTER="50")

    def left():
        assert report(service)["instances"]["query-0"]["ready"] >= 1
        return re.findall(r"a worker has left pid=\d+ answered=(\d+)", log_of(service))

    with steady_load(service.address, bodies(service), pause=0.002) as load:
        wait_until(lambda: len(left()) >= 8, deadline=60)
        answered = [int(number) for number in left()]
    assert not load.lost
    assert min(answered) >= 1000 and max(answered) <= 1050, answered
    assert "died" not in log_of(service)


def test_connections_are_shared_out(start):
    """64 that come at once on four workers: none has fewer than half of its part."""
    service = start(4)
    with ExitStack() as stack:
        opened = [stack.enter_context(Conversation(service.address)) for _ in range(64)]
        wait_until(lambda: sum(connections(service, pid) for pid in service.children("worker")) == 64)
        shares = [connections(service, pid) for pid in service.children("worker")]
        assert len(shares) == 4 and min(shares) >= 8, shares
        assert all(one.ask("/livez").status == 200 for one in opened)


def test_workers_that_cannot_start(start, tmp_path):
    """Each further one is tried later, the report tells of it, and all is well once the cause is gone."""
    service = start(2)
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


def test_workers_that_are_killed_again_and_again(start):
    """The arbiter stays, starts no storm of processes, and goes on when it is over."""
    service = start(1)
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


def test_names_of_processes(start, tmp_path):
    """PROC_NAME and the role in ps; the arbiter's pid in the pid file."""
    service = start(2, PROC_NAME="my_cv")
    assert title(service.process.pid) == "my_cv: arbiter"
    assert [title(pid) for pid in service.children("worker")] == ["my_cv: worker"] * 2
    assert (tmp_path / "run/query-0/pid").read_text("utf-8") == f"{service.process.pid}\n"
    slow_load(tmp_path, 10)
    assert title(wait_until(lambda: service.children("loader"))[0]) == "my_cv: loader"


def test_instances_side_by_side(start, tmp_path):
    """The lowest name that is free, in one run folder."""
    first = start(1)
    write_cvs(tmp_path / "other", SMALL)
    with running(tmp_path / "other", {"CV_RUN_DIR": str(tmp_path / "run")}) as second:
        for service, name in ((first, "query-0"), (second, "query-1")):
            assert (tmp_path / "run" / name / "pid").read_text("utf-8") == f"{service.process.pid}\n"
            assert list(report(service)["instances"]) == [name]
    assert os.listdir(tmp_path / "run") == ["query-0"]


def test_logs_are_opened_again(start, tmp_path):
    """SIGUSR1 behind a rename: arbiter and workers go on in new files, and hold the old ones no longer."""
    service = start(2)
    processes = [service.process.pid, *service.children("worker")]
    for log in (service.access_log, service.error_log):
        log.rename(f"{log}.1")

    def holds_old(pid):
        return any(os.readlink(link).endswith(".log.1") for link in Path(f"/proc/{pid}/fd").iterdir())

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


def test_descriptors_used_up(start):
    """No spin while there are none, and an answer within a second of their coming back."""
    service = start(1)
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
    if b"__asan_init" in PROGRAM.read_bytes():
        pytest.skip("the address sanitizer must be the first library, and so must libfaketime")
    if not FAKETIME.exists():
        assert os.environ.get("CI") != "true", "no libfaketime here, and CI must have it"
        pytest.skip("needs libfaketime")
    clock.write_text("+0")
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def test_the_clock_moved_by_a_day(start, tmp_path):
    """Forward and back: nobody is killed, no connection ends before its time; the Date header follows."""
    clock = tmp_path / "clock"
    service = start(2, TIMEOUT="1", KEEPALIVE="2", **fake_clock(clock))
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
