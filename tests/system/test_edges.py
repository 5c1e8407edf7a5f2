"""Corners where an arbiter could lose its footing: logs that go, loaders and workers that hang, reloads cut short."""
import fcntl
import os
import shutil
import signal
import subprocess

import pytest

from samples import SMALL, cv
from service import PROGRAM, environment, paused, running, wait_until, write_cvs
from sidecar import is_ready, post, token_of, watching
from test_reloads import configured
from wire import ask
from workers import checks, complete, log_of

MINA = "/api/v1/cvs/mina/"
ORIGIN = "https://one.example.org"


def allows(service, origin):
    """Whether answers may be read by pages of this origin."""
    return ask(service, MINA, headers={"Origin": origin}).header("Access-Control-Allow-Origin") == origin


def test_workers_start_without_their_logs(tmp_path):
    """The folder of the logs is gone when a worker is replaced: it serves, and writes again once there is one."""
    write_cvs(tmp_path, SMALL)
    logs = tmp_path / "logs"
    logs.mkdir()
    names = {"ACCESS_LOG": str(logs / "access.log"), "ERROR_LOG": str(logs / "error.log")}
    with running(tmp_path, names) as service:
        shutil.rmtree(logs)
        gone = service.children("worker")
        for pid in gone:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: complete(service, 2, gone))
        assert ask(service, MINA).status == 200
        logs.mkdir()
        wait_until(lambda: ask(service, MINA).status == 200 and (logs / "access.log").exists()
                   and "cvs/mina" in (logs / "access.log").read_text())


def test_bad_settings_while_the_log_is_gone(tmp_path):
    """They are refused; that the old log cannot be opened just then ends nothing."""
    logs = tmp_path / "logs"
    logs.mkdir()
    with configured(tmp_path, {"ERROR_LOG": str(logs / "error.log")}) as service:
        shutil.rmtree(logs)
        service.reload(ERROR_LOG=str(tmp_path / "nowhere/error.log"))
        wait_until(lambda: "nowhere" in checks(service)["workers"].get("message", ""))
        assert ask(service, MINA).status == 200


def test_a_reload_that_never_gets_to_load(tmp_path):
    """While another loader holds the catalogue, workers that die go on with the settings in force, and the reload is
    given up in time."""
    with configured(tmp_path, {"TIMEOUT": "2"}) as service:
        with open(tmp_path / "state/load.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            service.reload(CORS_ALLOWED_ORIGINS=ORIGIN)
            wait_until(lambda: service.children("loader"))
            gone = service.children("worker")
            for pid in gone:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: complete(service, 2, gone))
            assert not allows(service, ORIGIN)
            wait_until(lambda: "load.lock" in checks(service)["workers"].get("message", ""), 20)
        assert not allows(service, ORIGIN)
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: allows(service, ORIGIN))


def test_a_start_while_another_loads(tmp_path):
    """The catalogue of before is served; who holds it is told."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path):
        pass
    with open(tmp_path / "state/load.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with running(tmp_path, {"TIMEOUT": "1"}) as service:
            assert ask(service, MINA).status == 200
            assert "load.lock" in checks(service)["cv_data"]["message"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_ending_with_a_loader_that_hangs(tmp_path, how):
    """It is ended as well, whatever it is at."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        with open(tmp_path / "state/load.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            service.process.send_signal(signal.SIGHUP)
            os.kill(wait_until(lambda: service.children("loader"))[0], signal.SIGSTOP)
            service.process.send_signal(how)
            assert service.process.wait(10) == 0


def test_dead_workers_while_new_ones_are_tried(tmp_path):
    """The new generation's first worker hangs: the generation before is kept at its number meanwhile."""
    with configured(tmp_path, {"TIMEOUT": "4"}) as service:
        old = service.children("worker")
        service.reload(CORS_ALLOWED_ORIGINS=ORIGIN, TIMEOUT="4")
        fresh = wait_until(lambda: [pid for pid in service.children("worker") if pid not in old], step=0)
        with paused(fresh[:1]):
            if log_of(service).count("a worker is ready") > len(old):
                pytest.skip("it was ready before it could be stopped")
            for pid in old:
                os.kill(pid, signal.SIGKILL)
            assert ask(service, MINA).status == 200
            os.kill(fresh[0], signal.SIGKILL)


def test_the_level_of_new_workers(tmp_path):
    """What an operator has set holds for workers that come later, too."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        assert post(sidecar, "/loglevel?level=critical", token_of(tmp_path)).status == 200
        gone = service.children("worker")
        for pid in gone:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: complete(service, 2, gone))
        wait_until(lambda: quiet(service))


def quiet(service):
    """Whether a refused host leaves no line."""
    before = log_of(service).count("host not allowed")
    for _ in range(8):
        assert ask(service, MINA, host="elsewhere.example").status == 400
    return log_of(service).count("host not allowed") == before


def test_closed_standard_streams(tmp_path):
    """None of the program's files takes their numbers."""
    write_cvs(tmp_path, SMALL)
    where = tmp_path / "s.sock"
    command = ["sh", "-c", 'exec "$0" <&- >&- 2>&-', PROGRAM]
    process = subprocess.Popen(command, env=environment(tmp_path, {"BIND": f"unix:{where}"}))
    try:
        wait_until(where.exists)
        wait_until(lambda: ask(str(where), MINA).status == 200)
        assert (tmp_path / "run/query-0/pid").read_text() == f"{process.pid}\n"
    finally:
        process.terminate()
        assert process.wait(15) == 0


def test_many_starts_at_once(tmp_path):
    """Each finds a number of its own, also where killed ones have left theirs."""
    count = 6
    folders = [tmp_path / str(n) for n in range(count)]
    for folder in folders:
        write_cvs(folder, SMALL)
    run = {"CV_RUN_DIR": str(tmp_path / "run"), "WEB_CONCURRENCY": "1"}
    for _ in range(2):
        started = [subprocess.Popen([PROGRAM], env=environment(folder, run), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for folder in folders]
        try:
            for process in started:
                assert b"ready on" in process.stdout.readline(), process.stderr.read()
            living = [p.name for p in (tmp_path / "run").iterdir() if (p / "scoreboard").exists()]
            assert len(living) >= count, living
        finally:
            for process in started:
                process.kill()
                process.communicate()


def test_an_address_with_a_space(tmp_path):
    """And many of them: each is asked as it is."""
    write_cvs(tmp_path, SMALL)
    place = tmp_path / "my sockets"
    place.mkdir()
    where = ",".join(f"unix:{place}/{n}.sock" for n in range(12))
    with running(tmp_path, {"BIND": where}) as service, watching(tmp_path) as sidecar:
        assert len(service.addresses) == 12
        wait_until(lambda: is_ready(sidecar))


def test_a_report_of_much(tmp_path):
    """Refused files with long reasons make no report that the sidecar would not take."""
    long_key = "k" * 9000
    bad = {f"bad{n}.json": f'{{"{long_key}": 1, "{long_key}": 2}}'.encode() for n in range(30)}
    write_cvs(tmp_path, {**SMALL, **bad})
    with running(tmp_path) as service, watching(tmp_path) as sidecar:
        assert len(ask(service, "/api/v1/health/").body) < 60_000
        wait_until(lambda: is_ready(sidecar))


def test_words_that_are_cut(tmp_path):
    """A value of any length and spelling leaves both reports in order."""
    with configured(tmp_path) as service, watching(tmp_path) as sidecar:
        service.reload(LOG_LEVEL="é" * 700)
        wait_until(lambda: "LOG_LEVEL" in checks(service)["workers"].get("message", ""))
        wait_until(lambda: is_ready(sidecar))


def test_a_folder_without_cvs(tmp_path):
    """Is not gone over to: those that are served stay."""
    (tmp_path / "other/cvs").mkdir(parents=True)
    with configured(tmp_path) as service:
        service.reload(CV_DATA_DIR=str(tmp_path / "other"))
        wait_until(lambda: "no CV file" in checks(service)["workers"].get("message", ""))
        assert ask(service, MINA).status == 200
        (tmp_path / "other/cvs/ada.json").write_bytes(cv("Ada"))
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: ask(service, "/api/v1/cvs/ada/").status == 200)


def test_ending_while_a_reload_binds(tmp_path):
    """SIGTERM while new settings are on trial: exit 0, and no socket of either is left."""
    first, second = tmp_path / "a.sock", tmp_path / "b.sock"
    with configured(tmp_path, {"BIND": f"unix:{first}"}) as service:
        with open(tmp_path / "state/load.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            service.reload(BIND=f"unix:{second}")
            wait_until(second.exists)
            service.stop()
        assert not first.exists() and not second.exists()
