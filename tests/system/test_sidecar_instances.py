"""Where the sidecar listens, what it says to a wrong start, several instances, and what it can never harm."""
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from load import bodies, steady_load
from samples import SMALL
from service import running, wait_until, write_cvs
from sidecar import (READY, SIDECAR, check_of, is_ready, metrics, own_environment, parse_metrics, report,
                     run_sidecar, select, watching)
from test_cli import complaint
from wire import Conversation, ask, connect, request


def test_unix_socket(tmp_path):
    """It listens where SIDECAR_BIND says, in all places of it, and removes its file at the end."""
    path = tmp_path / "health.sock"
    with watching(tmp_path, {"SIDECAR_BIND": f"unix:{path},127.0.0.1:0"}) as sidecar:
        assert sidecar.addresses[0] == str(path) and stat.S_ISSOCK(path.stat().st_mode)
        for address in sidecar.addresses:
            assert ask(address, "/livez").body == b"ok\n"
        assert ask(str(path), "/drain", "POST").status == 401
        assert "client=unix wish=drain" in wait_until(lambda: "wrong" in sidecar.log() and sidecar.log())
    assert not path.exists()


def test_signals(tmp_path):
    """SIGHUP does no harm and says so, SIGUSR1 opens the log again; SIGINT ends it like SIGTERM."""
    with watching(tmp_path) as sidecar:
        sidecar.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "settings are read at the start alone" in sidecar.log())
        sidecar.error_log.rename(tmp_path / "health.log.1")
        sidecar.process.send_signal(signal.SIGUSR1)
        wait_until(sidecar.error_log.exists)
        sidecar.process.send_signal(signal.SIGINT)
        assert sidecar.process.wait(10) == 0


def test_one_that_is_taken(tmp_path):
    """A port in use: exit 69 and one line that names it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        line = complaint(run_sidecar(tmp_path, settings={"SIDECAR_BIND": where}), 69)
        assert line.startswith("cv-health: ") and where in line


@pytest.mark.parametrize("name, value, allowed", [
    ("SIDECAR_BIND", "127.0.0.1:99999", "ADDRESS:PORT"), ("SIDECAR_BIND", "unix:", "unix:/path"),
    ("PROXY_URL", "ftp://127.0.0.1", "https"), ("TLS_CERTIFICATE", "cert.pem", "absolute path"),
    ("SECRET_KEY", "short", "50 characters"), ("LOG_LEVEL", "loud", "debug"), ("ERROR_LOG", "/nowhere/log", "written")])
@pytest.mark.parametrize("command", [[], ["token"]], ids=["serve", "token"])
def test_bad_settings(tmp_path, command, name, value, allowed):
    """Exit 78 and one line that names the setting and what is allowed, before anything else."""
    if (command, name) == (["token"], "ERROR_LOG"):
        return  # it writes none
    finished = run_sidecar(tmp_path, *command, settings={name: value})
    line = complaint(finished)
    assert line.startswith(f"cv-health: {name}") and allowed in line and finished.stdout == ""
    assert (value in line) == (name != "SECRET_KEY")


def test_command_line(tmp_path):
    """Help and version need no setting; an unknown word is a usage error; config shows sources and no secret."""
    told = run_sidecar(tmp_path, "--help", settings={"CV_ENV": "production"})
    assert told.returncode == 0 and "SIDECAR_BIND" in told.stdout and "token" in told.stdout
    version = run_sidecar(tmp_path, "--version")
    assert version.returncode == 0 and re.fullmatch(r"cv-health \d+\.\d+\.\d+\n", version.stdout)
    assert "cv-health --help" in complaint(run_sidecar(tmp_path, "drain"), 64)
    key = "another correct horse battery staple, of 50 letters or more"
    shown = run_sidecar(tmp_path, "--timeout", "9", "config", settings={"SECRET_KEY": key})
    assert shown.returncode == 0 and key not in shown.stdout
    assert re.search(r"TIMEOUT=9 +# flag\n", shown.stdout)
    assert re.search(r"SECRET_KEY=\(hidden\) +# environment\n", shown.stdout)


def kill_arbiter(service):
    """The arbiter gone without a word, and its workers after it."""
    workers = service.children("worker")
    service.process.kill()
    service.process.wait()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))


def test_two_instances(tmp_path):
    """Both are told by name; one that is killed is told with what to do, and its files go with the next start."""
    one, two, run = tmp_path / "one", tmp_path / "two", str(tmp_path / "run")
    for folder in (one, two):
        write_cvs(folder, SMALL)
    shared = {"CV_RUN_DIR": run}
    with running(one, shared), running(two, shared) as second, watching(tmp_path) as sidecar:
        wait_until(lambda: len(check_of(sidecar, "query")["listeners"]) == 2 and is_ready(sidecar))
        told = report(sidecar)[1]["checks"]
        assert list(told["workers"]["instances"]) == ["query-0", "query-1"]
        assert {listener["instance"] for listener in told["query"]["listeners"]} == {"query-0", "query-1"}
        samples = metrics(sidecar)
        for name in ("query-0", "query-1"):
            assert select(samples, "cv_instance_up", service_instance_id=name) == 1
            assert select(samples, "cv_workers", service_instance_id=name, state="ready") == 2
        assert b"Instance query-0" in ask(sidecar, "/").body and b"Instance query-1" in ask(sidecar, "/").body
        kill_arbiter(second)
        check = wait_until(lambda: (found := check_of(sidecar, "workers"))["status"] == "error" and found)
        assert check["message"].startswith("query-1: its arbiter is gone: start the service again")
        assert report(sidecar)[0] == 503
        assert is_ready(sidecar), "the other serves on"
        samples = metrics(sidecar)
        assert select(samples, "cv_instance_up", service_instance_id="query-1") == 0
        assert select(samples, "http_server_request_duration_seconds_count", service_instance_id="query-1") > 0
        with running(two, shared):
            wait_until(lambda: report(sidecar)[0] == 200)
            assert sorted(os.listdir(run)) == ["query-0", "query-1"]
    assert os.listdir(run) == []


def test_files_of_the_dead_are_cleared(tmp_path):
    """The next to start takes the lowest free number and clears away all that nobody is behind."""
    write_cvs(tmp_path, SMALL)
    other = tmp_path / "other"
    write_cvs(other, SMALL)
    with running(tmp_path) as first, running(other, {"CV_RUN_DIR": str(tmp_path / "run")}) as second:
        kill_arbiter(first)
        kill_arbiter(second)
    with watching(tmp_path) as sidecar:
        message = wait_until(lambda: check_of(sidecar, "workers").get("message"))
        assert "query-0: its arbiter is gone" in message and "query-1: its arbiter is gone" in message
        assert not is_ready(sidecar)
        with running(tmp_path):
            assert os.listdir(tmp_path / "run") == ["query-0"]
            wait_until(lambda: is_ready(sidecar) and report(sidecar)[0] == 200)


def test_another_version(tmp_path):
    """A scoreboard of another layout is told as such, and nothing of it is believed."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        with open(tmp_path / "run/query-0/scoreboard", "r+b") as board:
            board.seek(4)
            board.write(b"\x63")
        with watching(tmp_path) as sidecar:
            wait_until(lambda: b"another version" in ask(sidecar, "/readyz").body)
            assert ask(sidecar, "/").status == ask(sidecar, "/metrics").status == 200
            message = check_of(sidecar, "workers")["message"]
            assert ask(service, "/livez").status == 200
            assert "version" in message and "gone" not in message, message


def test_sidecar_killed(tmp_path):
    """The service does not notice; another sidecar goes on where the first was."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        with steady_load(service.address, bodies(service), kept=2, fresh=2) as load:
            with subprocess.Popen([SIDECAR], env=own_environment(tmp_path), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True) as first:
                assert READY.fullmatch(first.stdout.readline().strip())
                load.more(50)
                first.kill()
            load.more(50)
            with watching(tmp_path) as sidecar:
                wait_until(lambda: is_ready(sidecar))
                counted = select(metrics(sidecar), "http_server_request_duration_seconds_count",
                                 http_route="/api/v1/cvs/{person}/")
                assert counted >= 100, "what was counted before is still there"
        assert load.lost == []


def test_sidecar_flooded(tmp_path):
    """Hundreds of connections that ask nothing, and as many that ask: it answers, and the service stays as it was."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service, watching(tmp_path) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        idle = []
        with steady_load(service.address, bodies(service), kept=2, fresh=2) as load:
            try:
                for number in range(400):
                    idle.append(connect(sidecar.address))
                    idle[-1].sendall(b"GET /metrics" if number % 2 else request("/"))
                load.more(100)
                assert ask(sidecar, "/livez").status == ask(sidecar, "/metrics").status == 200
                assert is_ready(sidecar)
            finally:
                for link in idle:
                    link.close()
            load.more(50)
        assert load.lost == [] and is_ready(sidecar)
        assert [one for one in ask(sidecar, "/events").json()["events"] if one["to"] == "error"] == []


def test_sidecar_out_of_descriptors(tmp_path):
    """Flooded until it has no descriptor left, it does not take that for a fault of the service."""
    write_cvs(tmp_path, SMALL)
    few = ("prlimit", "--nofile=64:64")
    with running(tmp_path), watching(tmp_path, prefix=few) as sidecar, Conversation(sidecar.address) as kept:
        wait_until(lambda: kept.ask("/readyz").status == 200)
        idle = [connect(sidecar.address) for _ in range(100)]
        try:
            before = probes(kept)
            wait_until(lambda: (now := probes(kept)) < 0 or now >= before + 2)
            assert kept.ask("/readyz").body == b"ok\n"
            changed = [one for one in kept.ask("/events").json()["events"] if one["to"] == "error"]
            assert not changed, [one["reason"] for one in changed]
        finally:
            for link in idle:
                link.close()


def probes(kept):
    """How often the service has been asked for its health; -1 when the sidecar sees no service."""
    samples = parse_metrics(kept.ask("/metrics").body.decode("utf-8"))
    if not select(samples, "cv_instance_up"):
        return -1
    return select(samples, "http_server_request_duration_seconds_count", http_route="/api/v1/health/")
