"""The logs: one access line a request, clients by pseudonym, warnings, and nothing that is private."""
import json
import re
from datetime import datetime, timedelta, timezone

import pytest

from samples import SMALL, cv
from service import READY, running, sample_data, wait_until, write_cvs
from wire import Conversation, ask, request, talk

KEY = "a key of the tests' own, with more than fifty letters: {}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
VERBOSE = re.compile(
    rf"INFO ({TIME}) access request_id=([A-Za-z0-9._-]+) client=(\S+) method=(\S*) "
    r'target="((?:[^"\\]|\\.)*)" status=(\d{3}) bytes=(\d+) ms=(\d+\.\d{3})')
KEYS = ["level", "time", "module", "request_id", "client", "method", "target", "status", "bytes", "ms"]
REQUESTS = (
    ("GET", "/api/v1/cvs/", 200), ("HEAD", "/api/v1/cvs/mina/", 200), ("OPTIONS", "/api/v1/", 204),
    ("GET", "/api/v1/cvs?x=%zz", 301), ("GET", "/nothing?a=b", 404), ("POST", "/api/v1/cvs/", 405),
    ("GET", "/api/v1/cvs/mina/?focus=a+b%0A", 400), ("GET", '/a"b', 404), ("GET", "/livez", 200))


def lines(path, word, count=1):
    """The lines of a log that hold the word, once there are enough of them."""
    def enough():
        text = path.read_text("utf-8") if path.exists() else ""
        found = [line for line in text.splitlines() if word in line]
        return found if len(found) >= count else None
    return wait_until(enough, 5, 0.02)


def entry(service, request_id):
    """The one access line of a request, as a dict."""
    found = lines(service.access_log, request_id)
    assert len(found) == 1
    if found[0].startswith("{"):
        return json.loads(found[0])
    fields = VERBOSE.fullmatch(found[0])
    assert fields, found[0]
    values = ["INFO", fields[1], "access", *fields.groups()[1:]]
    return dict(zip(KEYS, values))


def check_entry(found, method, target, answer):
    """Each field of an access line against the request and its answer."""
    assert list(found) == KEYS
    assert (found["level"], found["module"]) == ("INFO", "access")
    told = datetime.strptime(found["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert abs(datetime.now(timezone.utc) - told) < timedelta(seconds=10)
    assert (found["method"], int(found["status"])) == (method, answer.status)
    assert int(found["bytes"]) == len(answer.body)
    assert 0 <= float(found["ms"]) < 5000
    assert found["request_id"] == answer.header("X-Request-ID")


@pytest.fixture(scope="module", params=["verbose", "json"])
def logged(request, tmp_path_factory):
    """A service in each of the two formats."""
    folder = tmp_path_factory.mktemp(request.param)
    write_cvs(folder, SMALL)
    settings = {"LOG_FORMAT": request.param, "SECRET_KEY": KEY.format(1)}
    with running(folder, settings) as started:
        yield started


@pytest.mark.parametrize("method, target, status", REQUESTS)
def test_access_line(logged, method, target, status):
    """One line a request, with the target as it was sent."""
    answer = ask(logged, target, method)
    assert answer.status == status
    found = entry(logged, answer.header("X-Request-ID"))
    check_entry(found, method, target, answer)
    raw = found["target"] if logged.settings["LOG_FORMAT"] == "json" else found["target"].replace('\\"', '"')
    assert raw == target


def test_json_types(start_service):
    """Figures are numbers in JSON."""
    service = start_service({"LOG_FORMAT": "json"})
    found = entry(service, ask(service, "/api/v1/cvs/").header("X-Request-ID"))
    assert [type(found[name]) for name in ("status", "bytes")] == [int, int]
    assert isinstance(found["ms"], (int, float))
    assert found["bytes"] == len(b'{"cvs":["mina","omid"]}')


def test_the_callers_id_is_logged(logged):
    """A trusted proxy's id is the one in the log."""
    answer = ask(logged, "/api/v1/cvs/", headers={"X-Request-ID": "trace-4711"})
    check_entry(entry(logged, "trace-4711"), "GET", "/api/v1/cvs/", answer)


def test_a_refused_head_is_logged(logged):
    """A head that is refused has a line too, and cannot write lines of its own."""
    received = talk(logged.address, b"GET /a\nINFO forged HTTP/1.1\r\nHost: localhost\r\n\r\n")
    request_id = re.search(rb"X-Request-ID: (\S+)", received)[1].decode()
    found = entry(logged, request_id)
    assert int(found["status"]) == 400
    for line in logged.access_log.read_text("utf-8").splitlines():
        assert line.startswith("{") or VERBOSE.fullmatch(line), line


def client(service, **headers):
    """The pseudonym under which a request was logged."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return entry(service, ask(service, headers=sent).header("X-Request-ID"))["client"]


def test_pseudonyms(start_service):
    """The same client has the same pseudonym; another has another; so has another key."""
    services = [start_service({"SECRET_KEY": KEY.format(number)}) for number in (1, 2, 1)]
    names = [client(service) for service in services]
    assert names[0] == client(services[0]) == names[2]
    assert names[0] != names[1]
    far = [client(services[0], X_Forwarded_For=address) for address in ("203.0.113.7", "203.0.113.8", "203.0.113.7")]
    assert far[0] == far[2] and len({far[0], far[1], names[0]}) == 3
    for service in services:
        text = service.access_log.read_text("utf-8") + service.error_log.read_text("utf-8")
        for address in ("203.0.113", "client=127.0.0.1", '"127.0.0.1"'):
            assert address not in text


def test_forwarded_for_of_an_untrusted_peer(start_service):
    """An untrusted peer cannot give itself another name."""
    service = start_service({"FORWARDED_ALLOW_IPS": "192.0.2.1"})
    assert client(service, X_Forwarded_For="203.0.113.7") == client(service)


def test_forwarded_for_of_several_proxies(start_service):
    """The nearest address is the client's; what stands before it is anybody's word."""
    service = start_service()
    plain = client(service, X_Forwarded_For="203.0.113.7")
    assert client(service, X_Forwarded_For="198.51.100.1, 203.0.113.7") == plain
    assert client(service, X_Forwarded_For="198.51.100.1") != plain


def is_warning(line):
    """A line of level WARNING, in either format."""
    return line.startswith("WARN") or (line.startswith("{") and json.loads(line)["level"].startswith("WARN"))


@pytest.mark.parametrize("target, host", [
    ("/api/v1/cvs/", "evil.example"), ("/api/v1/cvs/../x/", "localhost"),
    ("/api/v1/cvs/%2e%2e/", "localhost"), ("/api/v1/cvs/%2fetc/", "localhost"),
    ("/api/v1/cvs/%5c/", "localhost"), ("/api/v1/cvs/%00/", "localhost")])
def test_security_warnings(logged, target, host):
    """A refused host and a path trick are warned of, with the request's id."""
    answer = ask(logged, target, host=host)
    assert answer.status == 400
    found = lines(logged.error_log, answer.header("X-Request-ID"))
    assert len(found) == 1 and is_warning(found[0])


def test_ordinary_mistakes_are_no_warnings(logged):
    """A 404 or a bad parameter is in the access log alone."""
    ids = [ask(logged, target).header("X-Request-ID")
           for target in ("/nothing", "/api/v1/cvs/mina/?lang=it", "/api/v1/cvs/nobody/")]
    marker = ask(logged, host="evil.example").header("X-Request-ID")
    lines(logged.error_log, marker)
    text = logged.error_log.read_text("utf-8")
    assert not [request_id for request_id in ids if request_id in text]


def test_a_refused_host_cannot_forge_lines(logged):
    """What a client writes is escaped in the error log."""
    before = len(logged.error_log.read_text("utf-8").splitlines())
    answer = ask(logged, "/api/v1/cvs/%00%22%0aINFO%20forged/")
    lines(logged.error_log, answer.header("X-Request-ID"))
    after = logged.error_log.read_text("utf-8").splitlines()
    assert len(after) == before + 1


@pytest.mark.parametrize("style", ["verbose", "json"])
def test_the_host_of_a_bad_request(tmp_path, style):
    """A refused head is warned of with its reason and the host it claims, whatever bytes it holds."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"LOG_FORMAT": style}) as service:
        talk(service.address, b"GET /\xe4 HTTP/1.1\r\nHost: evil\xff.example\r\n\r\n")
        wait_until(lambda: "evil" in service.error_log.read_text("utf-8"))
        wait_until(lambda: " 400 " in service.access_log.read_text("utf-8").replace("=", " ").replace(
            '":400', " 400 "))
    warning = next(line for line in service.error_log.read_text("utf-8").splitlines() if "evil" in line)
    assert is_warning(warning) and "malformed" in warning and r"evil\ufffd.example" in warning
    access = service.access_log.read_text("utf-8").splitlines()[-1]
    assert "GET" in access and r"/\ufffd" in access
    if style == "json":
        assert json.loads(access)["status"] == 400


def test_nothing_private(tmp_path):
    """No CV content and no secret, whatever was asked and refused."""
    data = sample_data(tmp_path)
    (data / "cvs/broken.json").write_bytes(cv("Privatus", "Secretus")[:-1] + b', "phone": "+49 555 0100",}')
    with running(tmp_path, {"SECRET_KEY": KEY.format(3), "LOG_LEVEL": "debug"}) as service:
        for target in ("/api/v1/cvs/ramin/", "/api/v1/cvs/mahsa/basics/", "/api/v1/cvs/%00/", "/nothing"):
            ask(service, target, headers={"Authorization": "Bearer t0ken", "Cookie": "session=c00kie"})
        service.load()
        lines(service.access_log, "/nothing")
        logs = [service.access_log, service.error_log, service.output, service.folder / "stderr.txt"]
    text = "".join(path.read_text("utf-8") for path in logs)
    for private in ("Abrandish", "Barankesht", "ramin.abrandish@", "23125", "Privatus", "Secretus", "555 0100",
                    KEY.format(3), "t0ken", "c00kie"):
        assert private not in text, private


@pytest.mark.parametrize("number", [1, 57])
def test_all_is_there_at_the_end(tmp_path, number):
    """What was answered is in the log once the service has ended."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        with Conversation(service.address) as conversation:
            conversation.send(request("/livez") * number)
            for _ in range(number):
                conversation.answer()
    assert len(service.access_log.read_text("utf-8").splitlines()) == number


def test_logs_can_be_off(tmp_path):
    """`off` writes nothing, and standard output has the ready line alone."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"ACCESS_LOG": "off", "ERROR_LOG": "off"}) as service:
        ask(service, host="evil.example")
    assert re.fullmatch(r"cv-query ready on http://127\.0\.0\.1:[0-9]+\n", service.output.read_text("utf-8"))
    assert "evil.example" not in service.complaints()
    assert not (tmp_path / "off").exists()


def test_standard_streams(tmp_path):
    """`-` is standard output for access, standard error for errors."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"ACCESS_LOG": "-", "ERROR_LOG": "-"}) as service:
        request_id = ask(service, host="evil.example").header("X-Request-ID")
    assert re.search(rf" access request_id={request_id} ", service.output.read_text("utf-8"))
    assert request_id in service.complaints()


def test_both_streams_in_one_file(tmp_path):
    """`cv-query >FILE 2>&1`: neither log overwrites what the other, or the ready line, has written."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"ACCESS_LOG": "-", "ERROR_LOG": "-"}, merged=True) as service:
        ids = [ask(service, host="evil.example").header("X-Request-ID") for _ in range(20)]
    written = service.output.read_text("utf-8").splitlines()
    assert written[-1].startswith("INFO ") and sum("ready on" in line for line in written) == 1
    for request_id in ids:
        assert sum(request_id in line and " access " in line for line in written) == 1
        assert sum(request_id in line and " security " in line for line in written) == 1
    assert all(READY.fullmatch(line) or line.startswith(("INFO ", "WARNING ")) for line in written)
