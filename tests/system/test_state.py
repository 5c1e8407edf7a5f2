"""The state folder: what it must allow, and what is said when it does not."""
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from samples import SMALL, cv
from service import PROGRAM, environment, run_program, running, wait_until, write_cvs
from wire import ask

READ_ONLY = 'mount --bind "$CV_STATE_DIR" "$CV_STATE_DIR" && mount -o remount,bind,ro "$CV_STATE_DIR" && exec "$@"'


def large_cv(text):
    """A CV with so much text."""
    return cv("P", more=f', "education": [{{"summary": "{text}"}}]')


def test_readers_need_the_lock(tmp_path):
    """Served from a read-only mount, LMDB would take no lock, and a loader elsewhere could change what is read."""
    write_cvs(tmp_path, SMALL)
    assert run_program(tmp_path, "load").returncode == 0
    namespace = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        assert os.environ.get("CI") != "true", "no namespaces here, and CI must have them"
        pytest.skip("needs to make a namespace")
    finished = subprocess.run(
        [*namespace, "sh", "-c", READ_ONLY, "sh", PROGRAM], env=environment(tmp_path, {"ERROR_LOG": "-"}),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert finished.returncode == 69, finished
    assert "ready on" not in finished.stdout
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("cv-query: ") and "lock.mdb" in last and "CV_STATE_DIR" in last


def test_state_that_is_no_folder(tmp_path):
    """One line that names the setting, not a service that can never serve."""
    write_cvs(tmp_path, SMALL)
    (tmp_path / "file").write_text("")
    for command in ([], ["load"]):
        finished = run_program(tmp_path, *command, settings={"CV_STATE_DIR": str(tmp_path / "file/state")})
        assert finished.returncode not in (0, 78), finished
        assert str(tmp_path / "file/state") in finished.stderr.splitlines()[-1]


@pytest.mark.parametrize("damage", ["truncated", "random", "empty"])
def test_a_damaged_catalogue_is_built_anew(tmp_path, damage):
    """It is made from the CV files, so nothing is lost; what was there is kept aside, and it is told."""
    write_cvs(tmp_path, {f"p{n}.json": large_cv("x" * 5000) for n in range(20)})
    assert run_program(tmp_path, "load").returncode == 0
    data = tmp_path / "state/data.mdb"
    size = data.stat().st_size
    if damage == "truncated":
        os.truncate(data, size // 3)
    else:
        data.write_bytes(os.urandom(size) if damage == "random" else b"")
    finished = run_program(tmp_path, "load")
    assert finished.returncode == 0, finished
    if damage != "empty":  # which LMDB takes for a new one
        assert "set aside" in finished.stderr and (tmp_path / "state/data.mdb.damaged").exists()
        os.truncate(data, data.stat().st_size // 3)
    with running(tmp_path) as service:
        assert len(ask(service, "/api/v1/cvs/").json()["cvs"]) == 20
        assert damage == "empty" or "set aside" in service.error_log.read_text("utf-8")


def test_state_removed_while_serving(tmp_path):
    """What has been read goes on; the catalogue is made again, and that one is followed."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        shutil.rmtree(tmp_path / "state")
        wait_until(lambda: (tmp_path / "state/data.mdb").exists())
        (tmp_path / "data/cvs/new.json").write_bytes(cv("New"))
        assert ask(service, "/api/v1/cvs/mina/").status == 200
        wait_until(lambda: ask(service, "/api/v1/cvs/new/").status == 200)


def locks_of(pid, path):
    """How many fcntl locks the process holds on the file."""
    inode = os.stat(path).st_ino
    return sum(line.split()[4] == str(pid) and line.split()[5].endswith(f":{inode}")
               for line in Path("/proc/locks").read_text().splitlines())


def test_the_catalogue_removed_while_serving(tmp_path):
    """The old one is served until the new one has something to serve, and readers never lose their locks."""
    slow_load(tmp_path)
    with running(tmp_path) as service:
        def all_hold_locks():
            workers = service.children("worker")
            return len(workers) == 2 and all(locks_of(pid, tmp_path / "state/lock.mdb") for pid in workers)

        wait_until(all_hold_locks)
        os.remove(tmp_path / "state/data.mdb")
        (tmp_path / "data/cvs/new.json").write_bytes(cv("New"))

        def answers():
            assert ask(service, "/api/v1/cvs/p1/").status == 200
            return ask(service, "/api/v1/cvs/new/").status == 200

        wait_until(answers, deadline=60)
        wait_until(all_hold_locks)


def test_a_parent_that_ignores_its_children(tmp_path):
    """SIGCHLD ignored by whoever started it: the first load's end is noticed all the same."""
    write_cvs(tmp_path, SMALL)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        process = subprocess.Popen([PROGRAM], env=environment(tmp_path, {}), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, restore_signals=False)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert b"ready on" in process.stdout.readline()
    process.terminate()
    assert process.wait(15) == 0


def slow_load(folder, files=120):
    """A data folder whose load takes seconds."""
    write_cvs(folder, {f"p{n}.json": large_cv(f"{n} " * 150_000) for n in range(files)})


def test_ending_while_the_first_load_runs(tmp_path):
    """SIGTERM before anything is served: exit 0, at once, and nothing half written."""
    slow_load(tmp_path)
    process = subprocess.Popen([PROGRAM], env=environment(tmp_path, {}), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: (tmp_path / "state/data.mdb").exists())
    process.send_signal(signal.SIGHUP)  # has nothing to do yet, and ends nothing
    process.send_signal(signal.SIGTERM)
    output, complaints = process.communicate(timeout=10)
    assert process.returncode == 0 and b"ready" not in output, complaints
    assert run_program(tmp_path, "load").returncode == 0


def test_ending_while_a_load_runs(tmp_path):
    """The port is free as soon as the service has ended: the loader holds nothing of it, and ends with it."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        slow_load(tmp_path)
        service.process.send_signal(signal.SIGHUP)
        loader = wait_until(lambda: service.children("loader"))[0]
        service.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(service.address, timeout=5)
        assert not Path(f"/proc/{loader}").exists()


def test_a_reload_during_a_load_is_not_lost(tmp_path):
    """What was dropped in behind the reading of the folder comes with the next load."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        slow_load(tmp_path, 20)
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: service.children("loader"))
        wait_until(lambda: service.error_log.read_text("utf-8").count("loading again") == 1)
        (tmp_path / "data/cvs/late.json").write_bytes(cv("Late"))
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: ask(service, "/api/v1/cvs/late/").status == 200, deadline=60)


def test_a_successor_on_the_same_unix_socket(tmp_path):
    """One that drains leaves alone what its successor has made at the same path."""
    write_cvs(tmp_path, SMALL)
    path = str(tmp_path / "cv.sock")
    with running(tmp_path, {"BIND": f"unix:{path}"}) as first:
        with socket.socket(socket.AF_UNIX) as held:
            held.connect(path)
            held.sendall(b"GET /livez HTTP/1.1\r\n")
            wait_until(lambda: ask(path, "/api/v1/cvs/").status == 200)
            first.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not os.path.exists(path))
            other = tmp_path / "other"
            write_cvs(other, {"other.json": cv("Other")})
            with running(other, {"BIND": f"unix:{path}"}):
                held.sendall(b"Host: x\r\n\r\n")
                assert held.recv(100).startswith(b"HTTP/1.1 200 ")
                held.close()
                first.stop()
                assert ask(path, "/api/v1/cvs/").json() == {"cvs": ["other"]}


@pytest.mark.parametrize("name", ["ACCESS_LOG", "ERROR_LOG"])
def test_a_log_that_cannot_be_opened(tmp_path, name):
    """A bad setting like any other: exit 78 and one line, before anything is loaded."""
    write_cvs(tmp_path, SMALL)
    finished = run_program(tmp_path, settings={name: str(tmp_path / "nowhere/log")})
    assert finished.returncode == 78 and not (tmp_path / "state/data.mdb").exists()
    lines = finished.stderr.splitlines()
    assert len(lines) == 1 and name in lines[0] and "nowhere/log" in lines[0] and "allowed" in lines[0]
