"""What the programs take of a machine: memory at rest, and the time from start to first answer."""
import re
import signal
import statistics
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from load import free_port
from service import COUNTED, PROGRAM, SANITIZED, environment, run_program, running, sample_data, wait_until
from sidecar import SIDECAR, is_ready, metrics, select, watching
from wire import Conversation, ask

MEGABYTE = 1_000_000
WORKERS = 5
STARTS = 7
pytestmark = pytest.mark.skipif(SANITIZED or COUNTED, reason="memory of an instrumented build says nothing")


def pss(pid):
    """Bytes of memory, with its part of what is shared."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8")
    return int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M)[1]) * 1024


def ask_all(service, sidecar):
    """Requests of each kind to every worker."""
    with ExitStack() as stack:
        talks = [stack.enter_context(Conversation(service.address)) for _ in range(4 * WORKERS)]
        for talk in talks:
            assert talk.ask("/livez").status == 200
        wait_until(lambda: open_on_each(sidecar))
        assert min(open_on_each(sidecar)) > 0
        for talk in talks:
            for target in ("/api/v1/cvs/", "/api/v1/cvs/ramin/", "/api/v1/cvs/ramin/?focus=Programming",
                           "/api/v1/cvs/mahsa/pdf/", "/api/v1/cvs/ramin/skills/?lang=de", "/api/v1/openapi.json"):
                assert talk.ask(target, headers={"Accept-Encoding": "br"}).status == 200, target


def open_on_each(sidecar):
    """How many connections the workers have, as the page shows it."""
    rows = re.findall(r"<td>ready</td>(?:<td class=\"number\">(\d+)</td>){2}", ask(sidecar, "/").body.decode("utf-8"))
    return [int(row) for row in rows] if len(rows) == WORKERS else []


def test_memory(tmp_path, capsys):
    """Arbiter and five idle workers together take 20 MB at most, the sidecar 6 MB."""
    sample_data(tmp_path)
    with running(tmp_path, {"WEB_CONCURRENCY": str(WORKERS)}) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        wait_until(lambda: select(metrics(sidecar), "cv_workers", state="ready") == WORKERS)
        ask_all(service, sidecar)
        for number in range(20):
            for target in ("/", "/metrics", "/health", "/events", "/config"):
                assert ask(sidecar, target, headers={"Accept": "*/*"}).status == 200, number
        wait_until(lambda: select(metrics(sidecar), "cv_open_connections") == 0)
        assert service.children("loader") == []
        arbiter = pss(service.process.pid)
        workers = [pss(pid) for pid in service.children("worker")]
        own = pss(sidecar.process.pid)
    with capsys.disabled():
        print(f"\nPSS in kB: arbiter {arbiter // 1000}, workers {[one // 1000 for one in workers]}, "
              f"together {(arbiter + sum(workers)) // 1000}; sidecar {own // 1000}")
    assert len(workers) == WORKERS
    assert arbiter + sum(workers) <= 20 * MEGABYTE
    assert own <= 6 * MEGABYTE


def first_answer(program, env, folder, address):
    """Seconds from the start of a program to its first answer; it is ended again."""
    begun = time.monotonic()
    with subprocess.Popen([program], env=env, cwd=folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as process:
        try:
            while True:
                try:
                    with Conversation(address) as talk:
                        assert talk.ask("/livez").status == 200
                    return time.monotonic() - begun
                except ConnectionRefusedError:
                    assert process.poll() is None and time.monotonic() < begun + 10
                    time.sleep(0.0005)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0


@pytest.mark.parametrize("program", [PROGRAM, SIDECAR], ids=["service", "sidecar"])
def test_start(tmp_path, capsys, program):
    """With the catalogue compiled, the first answer comes soon; how soon is printed, and only much is a failure."""
    sample_data(tmp_path)
    assert run_program(tmp_path, "load").returncode == 0
    address = ("127.0.0.1", free_port())
    where = f"{address[0]}:{address[1]}"
    env = environment(tmp_path, {"BIND": where, "SIDECAR_BIND": where, "WEB_CONCURRENCY": str(WORKERS)})
    took = sorted(first_answer(program, env, tmp_path, address) for _ in range(STARTS))
    with capsys.disabled():
        print(f"\n{program.name}: first answer after {statistics.median(took) * 1000:.0f} ms "
              f"({took[0] * 1000:.0f} to {took[-1] * 1000:.0f})")
    assert statistics.median(took) < 1
