"""What happens to workers, and to the arbiter, while requests come steadily: nothing is lost that need not be."""
import os
import resource
import signal
import time
from contextlib import ExitStack

import pytest

from load import answers, bodies, free_port, nginx_before, steady_load
from service import running, title, wait_until
from test_state import slow_load
from wire import ask, Conversation, request
from workers import begin_slow_answer, complete, end_slow_answer, freeze, log_of, PDF, until_closing


def test_killed_workers_are_replaced(start_workers, tmp_path):
    """kill -9: a new one is ready within 1 s; nothing is lost through nginx, and directly only what it had."""
    service = start_workers(3, BIND=f"unix:{tmp_path}/cv.sock")
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


def test_all_workers_killed_at_once(start_workers):
    """What waits to be accepted is answered by those that come next."""
    service = start_workers(2)
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
def test_a_stuck_worker_is_replaced(start_workers, hears):
    """No heartbeat for TIMEOUT: SIGABRT, then SIGKILL for one that does not hear it; the others serve meanwhile."""
    service = start_workers(2, TIMEOUT="1")
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


def test_the_arbiter_killed(start_workers, tmp_path):
    """Its workers and its loader end by themselves within 2 s; the next one has the same address and name."""
    settings = {"BIND": f"127.0.0.1:{free_port()}"}
    service = start_workers(2, **settings)
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


def test_the_arbiter_killed_with_connections_open(start_workers, tmp_path):
    """Workers that still answer hold no address: the next arbiter has it, and all is back within 2 s."""
    settings = {"BIND": f"127.0.0.1:{free_port()}"}
    service = start_workers(2, **settings)
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


def test_all_paused(start_workers):
    """A container that is paused for longer than TIMEOUT: nobody is taken for hung when it goes on."""
    service = start_workers(2, TIMEOUT="1")
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


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_sigterm_under_load(start_workers, tmp_path, kind):
    """No longer ready, the last answers say so, a slow one is sent to its end, exit 0: nobody loses anything."""
    bind = "127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/cv.sock"
    service = start_workers(2, BIND=bind, GRACEFUL_TIMEOUT="10")
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
def test_ending_at_once(start_workers, tmp_path, signals):
    """GRACEFUL_TIMEOUT is not waited for, though an answer is under way."""
    service = start_workers(2, GRACEFUL_TIMEOUT="60")
    with ExitStack() as stack:
        begin_slow_answer(stack, service)
        for number, one in enumerate(signals):
            assert number == 0 or wait_until(lambda: "arbiter draining" in log_of(service))
            assert service.process.poll() is None
            service.process.send_signal(one)
        assert service.process.wait(5) == 0
    assert os.listdir(tmp_path / "run") == []


def test_sigint_from_a_terminal(start_workers):
    """Ctrl-C goes to all processes of the group: the arbiter leads, and it is a drain like any other."""
    service = start_workers(2)
    with steady_load(service.address, bodies(service)) as load:
        load.expect_gone()
        for pid in [*service.children("worker"), service.process.pid]:
            os.kill(pid, signal.SIGINT)
        assert service.process.wait(10) == 0
        wait_until(lambda: load.refused == 6)
    assert not load.lost
