"""Settings and CVs that change while requests come steadily: nothing is lost, and what is bad changes nothing."""
import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from load import answers, bodies, free_port, nginx_before, steady_load
from samples import SMALL, cv
from service import PROGRAM, Service, environment, running, title, wait_until, write_cvs
from test_service_manager import start_with
from wire import ask
from workers import MINA, PDF, begin_slow_answer, checks, end_slow_answer, first_name, log_of, turns_of

ORIGINS = ("https://one.example.org", "https://two.example.org")
RUN_WITH_PID = 'WATCHDOG_PID=$$ exec "$@"'


class Configured(Service):
    """A service with all its settings in a file, so that a reload can find others; `command` runs the program."""

    def __init__(self, folder, settings=None, command=(), **env):
        self.values = environment(folder, settings)
        self.values.pop("PATH")
        self.file = folder / "settings"
        self.configure()
        self.folder, self.settings = folder, dict(settings or {})
        self.access_log, self.error_log = Path(self.values["ACCESS_LOG"]), Path(self.values["ERROR_LOG"])
        self.output = folder / "stdout.txt"
        with open(self.output, "wb") as out, open(folder / "stderr.txt", "wb") as err:
            self.process = subprocess.Popen(
                [*command, PROGRAM, "--config", self.file], env={"PATH": os.environ["PATH"], **env}, cwd=folder,
                stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            self.addresses = self.wait_ready(1)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def configure(self, **changes):
        """Writes the file anew: the settings it was started with, and these; None leaves one out."""
        values = {**self.values, **changes}
        text = "".join(f"{name}={value}\n" for name, value in values.items() if value is not None)
        self.file.with_suffix(".new").write_text(text, "utf-8")
        self.file.with_suffix(".new").rename(self.file)

    def reload(self, **changes):
        """Other settings in the file, and the signal."""
        self.configure(**changes)
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def configured(folder, settings=None, **more):
    """A service over two small CVs whose settings are in a file."""
    write_cvs(folder, SMALL)
    service = Configured(folder, settings, **more)
    try:
        yield service
    finally:
        service.stop()


def allowed(service, origin):
    """Whether the workers' settings allow the origin."""
    return ask(service, MINA, headers={"Origin": origin}).header("Access-Control-Allow-Origin") == origin


def test_a_hundred_reloads(tmp_path):
    """Other settings and other CVs each time, half of them before the last ones are in force: nothing is lost."""
    with configured(tmp_path, {"CORS_ALLOWED_ORIGINS": ORIGINS[1]}) as service, \
            steady_load(service.address, bodies(service)) as load:
        before = service.children("worker")
        for number in range(100):  # every other one is not waited for
            write_cvs(tmp_path, {"new.json": cv(f"New{number}")})
            service.reload(CORS_ALLOWED_ORIGINS=ORIGINS[number % 2])
            if number % 2:
                wait_until(lambda n=number: allowed(service, ORIGINS[n % 2]) and
                           first_name(service, "new") == f"New{n}", deadline=30)
            else:
                load.more(5)
        wait_until(lambda: len(service.children("worker")) == 2, deadline=30)
        assert checks(service)["workers"]["status"] == "ok"
        assert not set(before) & set(service.children("worker")) and not any(map(title, before))
        for _ in range(20):
            assert allowed(service, ORIGINS[1]) and not allowed(service, ORIGINS[0])
    assert not load.lost
    # Those that the next ones have overtaken never were.
    assert 10 <= log_of(service).count("the new settings are in force") <= 101
    assert "stay as they were" not in log_of(service) and "died" not in log_of(service)


def bad_settings(folder, taken):
    """Settings that must not be taken, and a part of the reason that is given."""
    return {
        "a bad value": ({"KEEPALIVE": "soon"}, "KEEPALIVE"),
        "a required one missing": ({"CV_ENV": "production", "ALLOWED_HOSTS": "localhost"}, "SECRET_KEY"),
        "a port in use": ({"BIND": f"127.0.0.1:{taken}"}, f"cannot listen on 127.0.0.1:{taken}"),
        "a log that cannot be written": ({"ACCESS_LOG": str(folder / "nowhere/log")}, "nowhere/log"),
        "a data folder that is not there": ({"CV_DATA_DIR": str(folder / "nowhere")}, "nowhere/cvs"),
    }


def test_bad_settings_change_nothing(tmp_path):
    """The log and the report say which and why; the settings before stay, until better ones come."""
    with configured(tmp_path, {"CORS_ALLOWED_ORIGINS": ORIGINS[0]}) as service, \
            socket.create_server(("127.0.0.1", 0)) as other, steady_load(service.address, bodies(service)) as load:
        wait_until(lambda: checks(service)["workers"]["status"] == "ok")
        workers = service.children("worker")
        for number, (name, (changes, reason)) in enumerate(bad_settings(tmp_path, other.getsockname()[1]).items()):
            service.reload(CORS_ALLOWED_ORIGINS=ORIGINS[1], **changes)
            wait_until(lambda n=number: log_of(service).count("the settings stay as they were") == n + 1)
            said = [line for line in log_of(service).splitlines() if "the settings stay as they were" in line][-1]
            assert reason in said, name
            check = checks(service)["workers"]
            assert check["status"] == "warn" and "reload" in check["message"] and reason in check["message"], name
            assert allowed(service, ORIGINS[0]) and not allowed(service, ORIGINS[1]), name
            assert service.children("worker") == workers, name
        service.reload(CORS_ALLOWED_ORIGINS=ORIGINS[1])
        wait_until(lambda: allowed(service, ORIGINS[1]) and not allowed(service, ORIGINS[0]))
        wait_until(lambda: checks(service)["workers"]["status"] == "ok")
        assert checks(service)["cv_data"]["status"] == "ok"
    assert not load.lost


def test_other_addresses(tmp_path):
    """BIND changed by a reload: the new address is told and answers, the old one is closed, its file gone."""
    path = str(tmp_path / "cv.sock")
    first, second = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with configured(tmp_path, {"BIND": first}) as service:
        known = {f"unix:{path}": path, first: service.address, second: ("127.0.0.1", int(second.split(":")[1]))}
        for count, bind in enumerate((f"unix:{path}", second, f"{second},unix:{path}", first), 1):
            service.reload(BIND=bind)
            wait_until(lambda n=count: log_of(service).count("the new settings are in force") == n)
            for name, address in known.items():
                if name in bind.split(","):
                    assert ask(address, MINA).status == 200
                else:  # once the last worker of before has left
                    wait_until(lambda old=address: not answers(old))
            assert os.path.exists(path) == ("unix" in bind)
            wait_until(lambda: len(service.children("worker")) == 2)
    told = [f"http://{first}", f"unix:{path}", f"http://{second}", f"unix:{path}", f"http://{first}"]
    assert service.output.read_text("utf-8").splitlines() == [f"cv-query ready on {url}" for url in told]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_address_that_goes(tmp_path, kind):
    """Under load, and with an answer under way: each gets its right answer, or is refused because BIND is another."""
    before = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"unix:{tmp_path}/cv.sock"
    with configured(tmp_path, {"BIND": before}) as service, ExitStack() as stack:
        (service.data / "pdfs/mina.pdf").write_bytes(PDF)
        slow = begin_slow_answer(stack, service)
        with steady_load(service.address, bodies(service), pause=0, deadline=6) as load:
            load.expect_gone()
            service.reload(BIND=f"127.0.0.1:{free_port()}")
            wait_until(lambda: load.refused == 6)
        assert end_slow_answer(slow).body == PDF
    assert not load.lost


def test_restarts_on_handed_over_sockets(tmp_path):
    """Ten in a row, each behind the end of the one before: nothing refused, nothing lost, directly or by nginx."""
    write_cvs(tmp_path, SMALL)
    path = str(tmp_path / "cv.sock")
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=128))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(path)
        unix.listen(128)
        with running(tmp_path) as first:
            wanted = bodies(first)

        def restart(process):
            if process:
                process.terminate()
                complaints = process.communicate(timeout=30)[1]
                assert process.returncode == 0, complaints
            process = start_with(tmp_path, [tcp, unix])
            assert b"ready on" in process.stdout.readline()
            return process

        process = restart(None)
        proxy = stack.enter_context(nginx_before(tmp_path, path))
        try:
            with steady_load(proxy, wanted) as through, steady_load(tcp.getsockname(), wanted) as direct:
                for _ in range(10):
                    process = restart(process)
                    direct.more()
                    through.more()
        finally:
            process.terminate()
            process.communicate(timeout=30)
        assert not through.lost and not direct.lost


def states_told(manager, last):
    """What is told to the service manager up to the one that begins so."""
    states = []
    while not states or not states[-1][0].startswith(last):
        states.append(manager.recv(1000).decode().splitlines())
    return states


@pytest.mark.parametrize("changes", [{}, {"CORS_ALLOWED_ORIGINS": ORIGINS[0]}, {"KEEPALIVE": "soon"}],
                         ids=["data", "settings", "bad"])
def test_a_reload_is_told(tmp_path, changes):
    """RELOADING=1 with the time of the monotonic clock, then READY=1, whatever comes of it; WATCHDOG=1 as asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind(str(tmp_path / "notify"))
        with configured(tmp_path, command=["sh", "-c", RUN_WITH_PID, "sh"], WATCHDOG_USEC="1000000",
                        NOTIFY_SOCKET=str(tmp_path / "notify")) as service:
            states_told(manager, "WATCHDOG=1")
            before = time.monotonic_ns() // 1000
            service.reload(**changes)
            lines = states_told(manager, "RELOADING=1")[-1]
            assert before <= int(lines[1].removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
            assert [line for line in states_told(manager, "READY=1")[-1] if line.startswith("STATUS=serving 3 CVs")]
            times = []
            while len(times) < 2:
                states_told(manager, "WATCHDOG=1")
                times.append(time.monotonic())
            assert times[1] - times[0] < 1


def test_a_watchdog_of_another(tmp_path):
    """WATCHDOG_PID names another process: it is not for this one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind(str(tmp_path / "notify"))
        with configured(tmp_path, WATCHDOG_USEC="1000000", WATCHDOG_PID="1",
                        NOTIFY_SOCKET=str(tmp_path / "notify")) as service:
            turns_of(service.process.pid, 6)
        told = [line for lines in states_told(manager, "STOPPING=1") for line in lines]
        assert "READY=1" in told and "WATCHDOG=1" not in told
