"""The edge cache: what is stored, for how long, and that nobody can poison or flood it."""
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from edge import edge_and_service, edge_before, fresh_second, traffic
from samples import SMALL, cv
from service import ORIGINS, paused, wait_until, write_cvs
from upstream import response, upstream


@pytest.fixture(name="pair")
def _pair(tmp_path, site):
    """nginx and a service with two small CVs, without a rate limit."""
    write_cvs(tmp_path, SMALL)
    settings = {"RATE_LIMIT": "off", "CORS_ALLOWED_ORIGINS": ",".join(ORIGINS)}
    with edge_and_service(tmp_path, site, settings) as (edge, service):
        yield edge, service


@contextmanager
def scripted(folder, site, answer, **settings):
    """nginx before a service that answers as the test says."""
    (folder / "state").mkdir(parents=True, exist_ok=True)
    with upstream(folder / "query.sock", answer) as behind, edge_before(folder, site, {"RATE_LIMIT": "off", **settings}) as edge:
        yield edge, behind


def stored(edge):
    """How many answers lie on disk."""
    return sum(1 for place in ("cache", "variants") for path in (edge.folder / "work" / place).rglob("*") if path.is_file())


def state(answer):
    """What X-Cache says."""
    return answer.header("X-Cache")


def test_miss_hit_revalidated(pair):
    """The body and the client's headers stay as the service gives them; a 304 from it makes an answer fresh again."""
    edge, service = pair
    fresh_second()
    first = edge.ask("/api/v1/cvs/mina/")
    second = edge.ask("/api/v1/cvs/mina/")
    assert (state(first), state(second)) == ("MISS", "HIT") and first.body == second.body
    for answer in (first, second):
        assert answer.header("Cache-Control") == "public, max-age=300" and answer.header("Content-Language") == "en"
        assert answer.header("ETag") == first.header("ETag") and answer.header("Content-Length") == str(len(first.body))
    assert first.header("X-Request-ID") != second.header("X-Request-ID")
    wait_until(lambda: state(edge.ask("/api/v1/cvs/mina/")) == "REVALIDATED")
    assert "status=304" in service.access_log.read_text() or wait_until(lambda: "status=304" in service.access_log.read_text())
    assert edge.ask("/api/v1/cvs/mina/", If_None_Match=first.header("ETag")).status == 304
    assert edge.ask("/api/v1/cvs/mina/", If_None_Match='"other", W/' + first.header("ETag")).status == 304
    head = edge.ask("/api/v1/cvs/mina/", "HEAD")
    assert head.status == 200 and head.body == b"" and head.header("Content-Length") == str(len(first.body))


def test_codings(stack):
    """The usual ways to ask get what they may have, stored once each; others go past."""
    usual = {"gzip, deflate, br": "br", "gzip, deflate, br, zstd": "br", "br": "br", "gzip": "gzip", "gzip, deflate": "gzip",
             "deflate, gzip": "gzip", "gzip,deflate": "gzip", "identity": None}
    for wish, coding in usual.items():
        answer = stack.ask("/api/v1/cvs/ramin/", Accept_Encoding=wish)
        assert answer.header("Content-Encoding") == coding and state(answer) != "BYPASS", wish
        assert "accept-encoding" in answer.tokens("Vary")
    for wish, coding in {"gzip;q=1, br;q=0.5": "gzip", "br;q=0, gzip": "gzip", "BR": "br", "*": "br", "identity;q=0, gzip": "gzip"}.items():
        answer = stack.ask("/api/v1/cvs/ramin/", Accept_Encoding=wish)
        assert (answer.header("Content-Encoding"), state(answer)) == (coding, "BYPASS"), wish


CANONICAL = ["/api/v1/", "/api/v1/openapi.json", "/api/v1/cvs/", "/api/v1/cvs/?limit=1", "/api/v1/cvs/?after=mina", "/api/v1/cvs/?limit=1&after=mina",
             "/api/v1/cvs/mina/", "/api/v1/cvs/mina/?lang=de", "/api/v1/cvs/mina/?focus=X", "/api/v1/cvs/mina/?lang=de&focus=X%20Y",
             "/api/v1/cvs/mina/?focus=X&lang=fa", "/api/v1/cvs/mina/education/", "/api/v1/cvs/mina/education/?lang=en"]
PAST = ["/api/v1/cvs/?LIMIT=1", "/api/v1/cvs/mina/?LANG=de", "/api/v1/cvs/mina/?lang=DE", "/api/v1/cvs/mina/?lang=de&lang=de", "/api/v1/cvs/mina/?lang=de&",
        "/api/v1/cvs/mina/?x=1", "/api/v1/cvs/mina/?lang=de&x", "/api/v1/cvs/m%69na/", "/api/v1/cvs/mina/?lang=%64e", "/api/v1/cvs/mina/?", "/api/v1//cvs/mina/",
        "/api/v1/cvs/mina/?focus=", "/api/v1/cvs/?limit=0", "/api/v1/cvs/?limit=01", "/api/v1/cvs/mina", "/api/v1/cvs/mina/hobbies/", "/api/v1/health/",
        "/api/v1/cvs/mina/?focus=" + "x" * 193]


@pytest.mark.parametrize("target", CANONICAL)
def test_canonical_shapes_are_stored(pair, target):
    """Twice the same body; the second one is stored."""
    edge, _ = pair
    fresh_second()
    first, second = edge.ask(target), edge.ask(target)
    assert (first.status, state(first), state(second), second.body) == (200, "MISS", "HIT", first.body)


def test_all_else_goes_past(pair):
    """Nothing of it is stored, and the service answers each."""
    edge, _ = pair
    for target in PAST:
        assert all(state(edge.ask(target)) in ("BYPASS", None) for _ in range(2)), target
    for number in range(100):
        edge.ask("/api/v1/cvs/mina/", Accept_Encoding=f"gzip;q=0.{number:03}")
        edge.ask(f"/api/v1/cvs/nobody{number}/")
        edge.ask(f"/api/v1/cvs/mina/?nonce={number}")
    assert stored(edge) == 0


def test_nobody_poisons_it(pair):
    """Headers that a client can choose do not reach what others get."""
    edge, _ = pair
    for number, headers in enumerate(({"Origin": ORIGINS[0]}, {"X-Request-ID": "mine"}, {"X-Forwarded-Host": "evil.example"}, {"Range": "bytes=0-1"},
                    {"X-Forwarded-Proto": "http"}, {"If-None-Match": "*"}, {"If-Modified-Since": "Thu, 01 Jan 2037 00:00:00 GMT"}, {"Cookie": "a=b"},
                    {"X-HTTP-Method-Override": "DELETE"}, {"Authorization": "Bearer x"})):
        target = f"/api/v1/cvs/mina/?focus=own{number}"
        fresh_second()
        edge.ask(target, headers=headers)
        answer = edge.ask(target)
        assert state(answer) == "HIT"
        assert answer.status == 200 and answer.body.startswith(b'{"basics"') and b"mine" not in repr(answer).encode()
        assert not any(name.startswith("access-control") for name in answer.names())


def test_missing_cvs_name_each_request(pair):
    """That there is none is known for a second too, but the body has the request's own id."""
    edge, _ = pair
    answers = [edge.ask("/api/v1/cvs/nobody/") for _ in range(5)]
    assert all(answer.status == 404 and answer.json()["error"]["request_id"] == answer.header("X-Request-ID") for answer in answers)
    assert len({answer.header("X-Request-ID") for answer in answers}) == 5
    assert answers[0].json()["error"]["detail"] == {"person": "nobody"} and answers[0].header("Cache-Control") == "no-store"


def test_changes_are_seen_within_two_seconds(pair):
    """A changed and a deleted CV, under a steady load that would keep a stale answer alive."""
    edge, service = pair
    folder = service.data / "cvs"
    with traffic(lambda: edge.ask("/api/v1/cvs/mina/").status in (200, 404)) as load:
        wait_until(lambda: b"Mina" in edge.ask("/api/v1/cvs/mina/").body)
        (folder / "new").write_bytes(cv("Changed"))
        (folder / "new").rename(folder / "mina.json")
        begun = time.monotonic()
        wait_until(lambda: b"Changed" in edge.ask("/api/v1/cvs/mina/").body, 3)
        changed = time.monotonic() - begun
        (folder / "mina.json").unlink()
        begun = time.monotonic()
        wait_until(lambda: edge.ask("/api/v1/cvs/mina/").status == 404, 3)
        gone = time.monotonic() - begun
        end = time.monotonic() + 1.5
        while time.monotonic() < end: # it does not come back
            assert edge.ask("/api/v1/cvs/mina/").status == 404
    assert load.lost == []
    print(f"changed after {changed:.2f} s, gone after {gone:.2f} s")


def test_the_last_cv_goes_too(pair):
    """The service has none then, and says 503: no failure that an old answer may stand in for."""
    edge, service = pair
    asked = ("/api/v1/cvs/mina/", "/api/v1/cvs/")
    assert [edge.ask(target).status for target in asked] == [200, 200]
    with traffic(lambda: edge.ask(asked[0]).status in (200, 503)) as load:
        for path in (service.data / "cvs").iterdir():
            path.unlink()
        for target in asked:
            answer = wait_until(lambda one=target: (told := edge.ask(one)).status == 503 and told, 4)
            assert answer.header("Retry-After") and answer.json()["error"]["request_id"] == answer.header("X-Request-ID")
        for _ in range(200):
            assert edge.ask(asked[0]).status == 503
        write_cvs(service.folder, SMALL)
        wait_until(lambda: edge.ask(asked[0]).status == 200, 4)
    assert load.lost == []


def test_one_request_on_a_cold_cache(tmp_path, site):
    """Many at once, and a service that takes its time: one reaches it, the others wait for it."""
    gate = threading.Event()

    def answer(_):
        gate.wait(5)
        return response(b'{"cvs":[]}', ETag='"e"')

    with scripted(tmp_path, site, answer) as (edge, behind), ThreadPoolExecutor(60) as pool:
        wanted = [pool.submit(edge.ask, "/api/v1/cvs/") for _ in range(60)]
        wait_until(lambda: behind.asked() == 1)
        begun = time.monotonic()
        wait_until(lambda: time.monotonic() - begun > 0.8) # longer than nginx takes between two looks at the lock
        gate.set()
        answers = [one.result(20) for one in wanted]
        assert {(one.status, one.body) for one in answers} == {(200, b'{"cvs":[]}')}
        assert behind.asked() == 1 and sum(state(one) == "MISS" for one in answers) == 1


def test_one_asks_while_others_get_what_is_there(tmp_path, site):
    """After a second one request waits for the 304; those beside it get the stored answer at once."""
    gate = threading.Event()
    gate.set()

    def answer(head):
        gate.wait(5)
        if 'If-None-Match: "e"' in head:
            return b'HTTP/1.1 304 Not Modified\r\nETag: "e"\r\n\r\n'
        return response(b'{"cvs":[]}', ETag='"e"')

    with scripted(tmp_path, site, answer) as (edge, behind), ThreadPoolExecutor(1) as pool:
        fresh_second()
        assert state(edge.ask("/api/v1/cvs/")) == "MISS"
        begun = int(time.time())
        wait_until(lambda: int(time.time()) >= begun + 2)
        gate.clear()
        waiting = pool.submit(edge.ask, "/api/v1/cvs/")
        wait_until(lambda: behind.asked() == 2)
        assert [state(edge.ask("/api/v1/cvs/")) for _ in range(5)] == ["UPDATING"] * 5
        gate.set()
        assert state(waiting.result(10)) == "REVALIDATED" and behind.asked() == 2


def test_stale_while_the_service_is_away(pair):
    """Killed, stopped or hung: what is stored goes on, what is not says so in time; all is well afterwards."""
    edge, service = pair
    known = edge.ask("/api/v1/cvs/mina/").body
    pids = service.children("worker")
    assert len(pids) == 2
    begun = int(time.time())
    wait_until(lambda: int(time.time()) >= begun + 2)
    with paused([*pids, service.process.pid]):
        begun = time.monotonic()
        answer = edge.ask("/api/v1/cvs/mina/")
        assert (answer.status, state(answer), answer.body) == (200, "STALE", known) and time.monotonic() - begun < 5
        begun = time.monotonic()
        answer = edge.ask("/api/v1/cvs/omid/")
        assert answer.status == 504 and answer.json()["error"]["message"] == "Gateway Timeout" and time.monotonic() - begun < 5
        assert answer.header("Retry-After") and answer.header("Cache-Control") == "no-store"
    wait_until(lambda: edge.ask("/api/v1/cvs/omid/").status == 200)
    states = set()

    def mina():
        answer = edge.ask("/api/v1/cvs/mina/")
        states.add(state(answer))
        return answer.body == known

    with traffic(mina) as load: # killed while clients go on
        for pid in [service.process.pid, *service.children("worker")]:
            os.kill(pid, signal.SIGKILL)
        service.process.wait(10)
        wait_until(lambda: "STALE" in states)
        seen = load.count
        wait_until(lambda: load.count > seen + 100)
    assert load.lost == []
    answer = edge.ask("/api/v1/cvs/omid/education/")
    assert answer.status == 502 and answer.json()["error"]["code"] == 502
    assert edge.ask("/").status == 200, "the page does not depend on the service"


def test_a_missing_cv_when_the_service_fails(tmp_path, site):
    """That it is missing is known; who is to say so is away: an error of ours, in the API's form."""
    away = threading.Event()

    def answer(_):
        return None if away.is_set() else response(b'{"error":{}}', "404 Not Found")

    with scripted(tmp_path, site, answer) as (edge, _):
        fresh_second()
        assert edge.ask("/api/v1/cvs/nobody/").status == 404
        away.set()
        failed = edge.ask("/api/v1/cvs/nobody/")
        assert failed.status == 502 and failed.json()["error"]["code"] == 502
        assert failed.header("Cache-Control") == "no-store" and failed.header("Retry-After")


def test_errors_of_the_service_are_not_stored(tmp_path, site):
    """A 500 is covered by what was stored, and passes where nothing is."""
    broken = threading.Event()

    def answer(_):
        return response(b'{"error":{}}', "500 Internal Server Error") if broken.is_set() else response(b'{"cvs":[]}', ETag='"e"')

    with scripted(tmp_path, site, answer) as (edge, _):
        assert edge.ask("/api/v1/cvs/").status == 200
        broken.set()
        begun = int(time.time())
        wait_until(lambda: int(time.time()) >= begun + 2)
        assert (edge.ask("/api/v1/cvs/").status, state(edge.ask("/api/v1/cvs/"))) == (200, "STALE")
        assert edge.ask("/api/v1/cvs/mina/").status == 500
        broken.clear()
        assert edge.ask("/api/v1/cvs/mina/").status == 200


def test_what_the_service_must_not_say(tmp_path, site):
    """X-Accel-* has no effect, a cookie gets its flags and is never stored, headers of its own do not double."""
    def answer(_):
        return response(b"{}", X_Accel_Redirect="/error.html", X_Accel_Expires="3600", Set_Cookie="a=b; Path=/", Server="x", ETag='"e"',
                        X_Request_ID="theirs", Access_Control_Allow_Origin="*", Vary="Cookie")

    with scripted(tmp_path, site, answer) as (edge, behind):
        for count in (1, 2):
            one = edge.ask("/api/v1/cvs/")
            assert one.status == 200 and one.body == b"{}" and behind.asked() == count
            cookie = one.header("Set-Cookie").lower()
            assert cookie.startswith("a=b; path=/") and "secure" in cookie and "httponly" in cookie and "samesite=lax" in cookie
            assert one.header("X-Request-ID") != "theirs" and one.header("Access-Control-Allow-Origin") is None
            assert one.header("Vary") == "Accept-Encoding" and one.header("Server") is None
        assert stored(edge) == 0


def test_what_the_service_is_sent(tmp_path, site):
    """Only what it needs, with the client's address and scheme as nginx sees them."""
    with scripted(tmp_path, site, lambda _: response()) as (edge, behind):
        edge.ask("/api/v1/cvs/a%20b/?x=%zz", headers={
            "X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6", "X-Forwarded-Host": "evil", "X-Forwarded-Proto": "http", "X-Evil": "1",
            "Cookie": "secret", "Authorization": "secret", "X_Under": "1", "Via": "x"})
        head = behind.requests[-1]
        assert head.startswith("GET /api/v1/cvs/a%20b/?x=%zz HTTP/1.1\r\n"), "path and query as they were sent"
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        assert (lines["X-Forwarded-For"], lines["X-Forwarded-Proto"], lines["Host"]) == ("127.0.0.1", "https", "localhost")
        assert set(lines) <= {"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID", "Accept-Encoding", "User-Agent"}


def test_a_body_that_http2_does_not_announce(pair):
    """It is refused, although neither length nor coding tells of it."""
    edge, _ = pair
    body = edge.folder / "body"
    for content in ("0", "a longer one"):
        body.write_text(content)
        told = edge.curl("--http2", "-X", "GET", "-H", "Content-Length:", "-H", "Expect:", "-T", body, "-o", "/dev/null", "-w",
                         "%{http_version} %{http_code}", f"{edge.url}/api/v1/cvs/mina/")
        assert told in ("2 400", "2 413"), told


def test_ranges_of_stored_files(stack):
    """One range is served from what is stored; several get the whole file."""
    whole = stack.ask("/api/v1/cvs/ramin/pdf/").body
    part = stack.ask("/api/v1/cvs/ramin/pdf/", Range="bytes=5-9")
    assert (part.status, part.body, part.header("Content-Range")) == (206, whole[5:10], f"bytes 5-9/{len(whole)}")
    assert stack.ask("/api/v1/cvs/ramin/pdf/", Range="bytes=0-1,4-5").body == whole
