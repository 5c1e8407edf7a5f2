"""What operators may do: with the token alone, by POST alone, logged, over a socket of the arbiter's own."""
import os
import re
import signal
import socket
import stat
from contextlib import contextmanager

import pytest

from expect import check_error
from samples import SMALL, cv
from service import running, wait_until, write_cvs
from sidecar import check_of, is_ready, launched, metrics, post, report, run_sidecar, select, token_of, watching
from test_cli import GOOD_KEY
from wire import Conversation, ask, request

ACTIONS = ("/drain", "/undrain", "/reload", "/loglevel?level=info")
HINT = {"hint": "Authorization: Bearer, and the token that cv-health token prints"}


class Operated:
    """A service, its sidecar and the token between them."""

    def __init__(self, service, sidecar, token):
        self.service, self.sidecar, self.token = service, sidecar, token

    def wish(self, target, instance="query-0"):
        """The arbiter's reply to a wish that is granted."""
        answer = post(self.sidecar, target, self.token)
        assert answer.status == 200 and answer.header("Cache-Control") == "no-store", answer
        assert list(answer.json()["instances"]) == [instance]
        reply = answer.json()["instances"][instance]
        assert reply.startswith("ok: "), reply
        return reply

    def logs(self):
        """All that both have logged."""
        return self.sidecar.log() + self.service.error_log.read_text("utf-8")

    def logged(self, pattern):
        """Waits until a log line of the service matches."""
        wait_until(lambda: re.search(pattern, self.service.error_log.read_text("utf-8")))


@contextmanager
def operating(folder, settings=None):
    """Both, ready, with a key of the test's own."""
    settings = {"SECRET_KEY": GOOD_KEY, **(settings or {})}
    write_cvs(folder, SMALL)
    with running(folder, settings) as service, watching(folder, settings) as sidecar:
        wait_until(lambda: is_ready(sidecar))
        yield Operated(service, sidecar, token_of(folder, settings))


@pytest.fixture(scope="module", name="operated")
def fixture_operated(tmp_path_factory):
    """For tests that leave things as they were."""
    with operating(tmp_path_factory.mktemp("actions")) as operated:
        yield operated


@pytest.mark.parametrize("target", ACTIONS)
def test_no_token_no_action(operated, target):
    """401 that says how, for no token, a wrong one or another scheme; and it is logged with the client."""
    before = ask(operated.service, "/readyz").status, select(metrics(operated.sidecar), "cv_reloads_total")
    good = operated.token
    wrong = ["Bearer", "Bearer ", f"Bearer {good[:-1]}", f"Bearer {good}0", f"Bearer {good.upper()}", f"Basic {good}",
             good, f"Bearer {token_of(operated.service.folder)}", f"Bearer {GOOD_KEY}", f"Bearer{good}"]
    for headers in [{}, *({"Authorization": value} for value in wrong)]:
        answer = post(operated.sidecar, target, headers=headers)
        check_error(answer, 401, "Unauthorized", HINT)
        assert answer.header("WWW-Authenticate") == 'Bearer realm="cv-backend"'
        wait_until(lambda: re.search(f"WARNING .* token is wrong.*{answer.header('X-Request-ID')}.* client=127.0.0.1",
                                     operated.sidecar.log()))
    after = ask(operated.service, "/readyz").status, select(metrics(operated.sidecar), "cv_reloads_total")
    assert before == after


@pytest.mark.parametrize("target", ACTIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "post"])
def test_post_only(operated, target, method):
    """405 that names POST, token or not: nothing happens by following a link."""
    answer = ask(operated.sidecar, target, method, headers={"Authorization": f"Bearer {operated.token}"})
    assert (answer.status, answer.header("Allow")) == (405, "POST")
    assert ask(operated.service, "/readyz").status == 200
    options = ask(operated.sidecar, target, "OPTIONS")
    assert (options.status, options.header("Allow")) == (204, "POST")
    assert ask(operated.sidecar, target.replace("?", "/?") if "?" in target else target + "/").status == 404


@pytest.mark.parametrize("framing", ["Content-Length: 28", "Transfer-Encoding: chunked"])
def test_no_body(operated, framing):
    """A body is refused and the connection closed: what follows the head is never taken for a request."""
    name, value = framing.split(": ")
    headers = {"Authorization": f"Bearer {operated.token}", name: value}
    inner = b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"[:28].ljust(28)
    body = inner if name == "Content-Length" else b"0\r\n\r\n"
    with Conversation(operated.sidecar.address) as talk:
        talk.send(request("/undrain", "POST", headers=headers) + body + request("/livez"))
        answer = talk.answer("POST")
        assert answer.status in (400, 413) and answer.header("Connection") == "close", answer
        assert talk.ended()


def test_no_body_announced(operated):
    """Content-Length: 0 is no body."""
    assert post(operated.sidecar, "/undrain", operated.token, {"Content-Length": "0"}).status == 200


def test_scheme_in_any_case(operated):
    """A scheme's case does not matter (RFC 9110 section 11.1); a token's does."""
    headers = {"Authorization": f"bEARER {operated.token}"}
    assert post(operated.sidecar, "/undrain", headers=headers).status == 200


def test_drain_and_undrain(operated):
    """Not ready on both ports, and still serving; then as before. Each is logged with the client."""
    service, sidecar = operated.service, operated.sidecar
    try:
        operated.wish("/drain")
        drained = ask(service, "/readyz")
        assert drained.status == 503 and b"drained by an operator" in drained.body
        wait_until(lambda: not is_ready(sidecar))
        assert b"drained by an operator" in ask(sidecar, "/readyz").body
        assert ask(service, "/api/v1/cvs/mina/").status == ask(service, "/livez").status == 200
        assert ask(service, "/api/v1/health/").status == report(sidecar)[0] == 200
        wait_until(lambda: check_of(sidecar, "workers")["instances"]["query-0"]["drained"])
        assert select(metrics(sidecar), "cv_instance_drained") == 1 and b", drained" in ask(sidecar, "/").body
        assert select(metrics(sidecar), "cv_ready") == 0
    finally:
        operated.wish("/undrain")
    wait_until(lambda: is_ready(sidecar) and ask(service, "/readyz").status == 200)
    for wish in ("drain", "undrain"):
        assert re.search(rf"WARNING .* an operator asks .*client=127\.0\.0\.1 wish={wish}\n", sidecar.log())
        operated.logged(f"WARNING .* an operator asks wish={wish}\n")


def test_drain_outlives_workers(tmp_path):
    """A reload and a worker's end change nothing of it."""
    with operating(tmp_path) as operated:
        operated.wish("/drain")
        operated.wish("/reload")
        before = operated.service.children("worker")
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(set(operated.service.children("worker")) - set(before)) == 2)
        assert ask(operated.service, "/readyz").status == 503


def test_reload(operated):
    """What has been put into the data folder is served."""
    before = select(metrics(operated.sidecar), "cv_reloads_total")
    (operated.service.data / "cvs/zoe.json").write_bytes(cv("Zoe"))
    assert "reloading" in operated.wish("/reload")
    wait_until(lambda: ask(operated.service, "/api/v1/cvs/zoe/").status == 200)
    wait_until(lambda: select(metrics(operated.sidecar), "cv_reloads_total") == before + 1)


def test_reload_takes_settings(tmp_path):
    """Settings of the --config file are read again; bad ones are told, and those before stay."""
    write_cvs(tmp_path, SMALL)
    file = tmp_path / "settings"
    file.write_text("WEB_CONCURRENCY=1\n")
    with launched(tmp_path, "--config", file, settings={"WEB_CONCURRENCY": None}) as service:
        service.ready()
        with watching(tmp_path) as sidecar:
            wait_until(lambda: is_ready(sidecar))
            operated = Operated(service, sidecar, token_of(tmp_path))
            file.write_text("WEB_CONCURRENCY=3\n")
            operated.wish("/reload")
            wait_until(lambda: select(metrics(sidecar), "cv_workers", state="ready") == 3)
            wait_until(lambda: select(metrics(sidecar), "cv_reloads_total") == 1)
            file.write_text("WEB_CONCURRENCY=none\n")
            operated.wish("/reload")
            wait_until(lambda: select(metrics(sidecar), "cv_last_reload_successful") == 0)
            check = wait_until(lambda: (found := check_of(sidecar, "workers"))["status"] == "warn" and found)
            assert "the last reload was not taken" in check["message"] and "WEB_CONCURRENCY" in check["message"]
            assert (select(metrics(sidecar), "cv_reload_failures_total"), is_ready(sidecar)) == (1, True)


def test_loglevel(operated):
    """From `error` on, warnings are not logged; from `debug` on, they are again."""
    log = operated.service.error_log

    def warnings():
        ask(operated.service, "/api/v1/", host="evil.example")
        return log.read_text("utf-8").count("host not allowed")

    operated.wish("/loglevel?level=ERROR")
    wait_until(lambda: warnings() == warnings())
    operated.wish("/loglevel?level=debug")
    before = log.read_text("utf-8").count("host not allowed")
    wait_until(lambda: warnings() > before)
    operated.wish("/loglevel?level=info")


@pytest.mark.parametrize(
    "query", ["", "?level=", "?level=loud", "?level=info&level=debug", "?LEVEL=info", "?level=info%0aX"])
def test_bad_levels(operated, query):
    """400 that names the good ones, to operators; to others 401 as ever."""
    answer = post(operated.sidecar, "/loglevel" + query, operated.token)
    check_error(answer, 400, "Invalid level", {"valid_levels": ["debug", "info", "warning", "error", "critical"]})
    assert post(operated.sidecar, "/loglevel" + query).status == 401


def test_instances_by_name(operated):
    """One is asked when it is named; 404 when there is none of that name."""
    operated.wish("/undrain?instance=query-0")
    assert post(operated.sidecar, "/drain?instance=query-1", operated.token).status == 404
    check_error(post(operated.sidecar, "/drain?instance=%", operated.token), 400, "Malformed request")
    assert is_ready(operated.sidecar)


def test_nothing_tells_the_token(operated):
    """Neither logs nor pages nor output hold it, or the key from which it comes."""
    for target in ("/", "/config", "/events", "/health", "/metrics"):
        operated.wish("/undrain")
        assert operated.token.encode() not in ask(operated.sidecar, target).body
    folder = operated.service.folder
    for file in [*folder.glob("*.log"), *folder.glob("*.out"), *folder.glob("*.err"), *folder.glob("*.txt")]:
        assert operated.token not in file.read_text("utf-8") and GOOD_KEY not in file.read_text("utf-8"), file


def test_token_follows_the_key(tmp_path):
    """Another key, another token; the same key, the same."""
    one, other = {"SECRET_KEY": GOOD_KEY}, {"SECRET_KEY": GOOD_KEY[::-1]}
    assert token_of(tmp_path, one) == token_of(tmp_path, one) != token_of(tmp_path, other)
    finished = run_sidecar(tmp_path, "token", settings={"CV_ENV": "production", "ALLOWED_HOSTS": "cv.example.org"})
    assert finished.returncode == 78 and "SECRET_KEY" in finished.stderr and finished.stdout == ""


def test_control_socket(operated):
    """Nobody but its owner may reach the arbiter, and what it does not know it refuses."""
    path = operated.service.folder / "run/query-0/control"
    status = path.lstat()
    assert stat.S_ISSOCK(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600
    for wish in (b"", b"quit", b"drain-", b"loglevel", b"loglevel loud", b"\xff\x00", b"x" * 10_000):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.settimeout(5)
            asking.connect(str(path))
            if wish:
                asking.send(wish)
                assert asking.recv(1000).startswith(b"error: ")
    assert ask(operated.service, "/readyz").status == 200


def test_an_arbiter_that_does_not_answer(tmp_path):
    """A stopped arbiter whose queue is full: the wish fails in time, and the sidecar lives on meanwhile."""
    with operating(tmp_path) as operated:
        os.kill(operated.service.process.pid, signal.SIGSTOP)
        waiting = []
        try:
            with pytest.raises(BlockingIOError):
                for _ in range(1000):
                    waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK))
                    waiting[-1].connect(str(tmp_path / "run/query-0/control"))
            answer = post(operated.sidecar, "/drain", operated.token)
            assert answer.status == 502
            assert "the arbiter does not answer" in answer.json()["instances"]["query-0"]
            assert ask(operated.sidecar, "/livez").status == 200
        finally:
            os.kill(operated.service.process.pid, signal.SIGCONT)
            for one in waiting:
                one.close()
