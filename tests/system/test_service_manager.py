"""What a service manager such as systemd agrees on with its services: readiness told, sockets handed over."""
import os
import socket
import subprocess

import pytest

from samples import SMALL, cv
from service import PROGRAM, environment, running, wait_until, write_cvs
from wire import ask


@pytest.mark.parametrize("abstract", [False, True])
def test_readiness_is_told(tmp_path, abstract):
    """READY=1 once it answers, STOPPING=1 as soon as it drains."""
    write_cvs(tmp_path, SMALL)
    name = f"@cv-notify-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(10)
        manager.bind("\0" + name[1:] if abstract else name)
        with running(tmp_path, {"NOTIFY_SOCKET": name}) as service:
            assert manager.recv(1000).splitlines()[0] == b"READY=1"
            assert ask(service, "/readyz").status == 200
        told = manager.recv(1000).splitlines()[0]
        while told == b"READY=1":  # with another STATUS
            told = manager.recv(1000).splitlines()[0]
        assert told == b"STOPPING=1"


def start_with(folder, listeners, pid=None):
    """The program with these sockets handed over, as from descriptor 3 on."""
    def hand_over():
        for number, listener in enumerate(listeners):
            os.dup2(listener.fileno(), 3 + number)
        os.environ["LISTEN_PID"] = str(pid or os.getpid())

    # The environment of the child is set behind the fork, for it names its pid.
    env = environment(folder, {"BIND": f"unix:{folder}/unused.sock"})

    def run():
        hand_over()
        os.execve(PROGRAM, [str(PROGRAM)], {**env, "LISTEN_PID": os.environ["LISTEN_PID"],
                                            "LISTEN_FDS": str(len(listeners))})

    return subprocess.Popen(["never run"], preexec_fn=run, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, close_fds=False)


def test_sockets_are_handed_over(tmp_path):
    """They are listened on instead of BIND; what came before the service was there is answered; a successor on the
    same sockets loses nothing, and their files stay."""
    write_cvs(tmp_path, SMALL)
    path = str(tmp_path / "cv.sock")
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        early = socket.create_connection(tcp.getsockname())
        early.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        for _ in range(2):
            process = start_with(tmp_path, [tcp, unix])
            try:
                assert ask(tcp.getsockname(), "/api/v1/cvs/").status == 200
                assert ask(path, "/api/v1/cvs/").status == 200
            finally:
                process.terminate()
                output, complaints = process.communicate(timeout=15)
            assert process.returncode == 0, complaints
            assert f"ready on http://127.0.0.1:{tcp.getsockname()[1]}\n".encode() in output
            assert f"ready on unix:{path}\n".encode() in output
            assert os.path.exists(path) and not (tmp_path / "unused.sock").exists()
        assert early.recv(100).startswith(b"HTTP/1.1 200 ")
        early.close()


def test_sockets_of_another_process(tmp_path):
    """LISTEN_PID names another: the variables are not meant for this one, and BIND holds."""
    write_cvs(tmp_path, {"x.json": cv("X")})
    with socket.create_server(("127.0.0.1", 0)) as tcp:
        process = start_with(tmp_path, [tcp], pid=1)
        try:
            wait_until(lambda: (tmp_path / "unused.sock").exists())
            wait_until(lambda: ask(str(tmp_path / "unused.sock"), "/api/v1/cvs/").status == 200)
        finally:
            process.terminate()
            process.communicate(timeout=15)
        assert process.returncode == 0


def test_what_is_no_socket(tmp_path):
    """A descriptor that cannot be served is an error that names it."""
    write_cvs(tmp_path, SMALL)
    with open(os.devnull, "rb") as nothing:
        process = start_with(tmp_path, [nothing])
        complaints = process.communicate(timeout=15)[1]
    assert process.returncode == 69 and b"LISTEN_FDS: descriptor 3 " in complaints
