"""docs/openapi.json against the running service.

One walk asks for every path, method, parameter value and error that the file describes. The tests then
hold each answer against the description, and the description against what was seen.
"""
import gzip
import json
from contextlib import ExitStack
from typing import NamedTuple
from urllib.parse import quote

import brotli
import pytest
from jsonschema import Draft202012Validator

import samples
from openapi import CV_SCHEMA, FILE, SPEC, VALUES, described_errors, nodes, operations, resolve, validator
from service import ORIGINS, running, sample_data, write_cvs
from wire import Answer, ask, connect, read_to_end, request, split_one, talk

OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")
ANY_HOST = ("/api/v1/health/", "/livez", "/readyz")
HEAD_FAULTS = (400, 408, 414, 431, 505)
ONLY_THE_PROXY = {"429"}
DECODE = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
NOT_DESCRIBED = {"connection", "content-length", "content-type"}
NO_SUCH_PATH = [
    "/", "/api/", "/api/v2/", "/api/v1//", "/api/v1/cv/", "/api/v1/cvs//", "/api/v1/health/x/",
    "/api/v1/cvs/ramin/pdf/x/", "/api/v1/cvs/ramin/education/0/", "/api/v1/openapi.json/", "/api/v1/openapi",
    "/livez/", "/readyz/", "/API/v1/", "/metrics", "/favicon.ico", "/docs/openapi.json",
]


class Case(NamedTuple):
    """One request of the walk, and the status it must get."""

    path: str
    status: int
    target: str
    method: str = "GET"
    headers: tuple = ()
    host: str = "localhost"
    version: str = "HTTP/1.1"
    service: str = "full"

    def bytes(self):
        """The request as it goes over the wire."""
        return request(self.target, self.method, self.headers, self.host, self.version)

    def operation(self):
        """Its description; for other methods, one made from what is said about them."""
        item = SPEC["paths"][self.path]
        return item.get(self.method.lower()) or {"responses": {"405": item["x-other-methods"]}}


def with_query(path, name, value):
    """The path with one parameter."""
    return f"{path}?{name}={quote(value, safe='')}"


def query_targets(path, *names):
    """Targets with each value of these parameters: those taken, and those that are 400."""
    taken = [path, f"{path}?unknown=1"]
    refused = [f"{path}?x=%zz", f"{path}?x=%ff"]
    for name in names:
        taken += [with_query(path, name, value) for value in VALUES[name][0]]
        refused += [with_query(path, name, value) for value in VALUES[name][1]]
        refused.append(f"{with_query(path, name, VALUES[name][0][0])}&{name}={quote(VALUES[name][0][1])}")
    if "focus" in names:
        refused.append(with_query(path, "focus", "ی" * 33))  # 66 bytes, if only 33 characters
    return [(200, target) for target in taken] + [(400, target) for target in refused]


def person_targets(rest):
    """Malformed and unknown persons."""
    refused = [(400, f"/api/v1/cvs/{quote(name, safe='')}/{rest}") for name in VALUES["person"][1]]
    return refused + [(404, f"/api/v1/cvs/{name}/{rest}") for name in ("nobody", "ramin_de", "Z" * 50)]


def targets(path):
    """Status and target of every GET that the file describes for this path."""
    ramin = "/api/v1/cvs/ramin/"
    if path == "/api/v1/cvs/":
        return query_targets(path, "limit", "after")
    if path == "/api/v1/cvs/{person}/":
        return query_targets(ramin, "lang", "focus") + person_targets("") + [
            (200, "/api/v1/cvs/mahsa/?lang=fa"), (200, "/api/v1/cvs/heidi/?lang=de"),
            (404, "/api/v1/cvs/heidi/"), (404, "/api/v1/cvs/heidi/?lang=fa")]
    if path == "/api/v1/cvs/{person}/{section}/":
        found = query_targets(f"{ramin}education/", "lang", "focus") + person_targets("basics/")
        found += [(200, f"{ramin}{name}/") for name in SPEC["components"]["schemas"]["SectionName"]["enum"]]
        return found + [(404, f"{ramin}hobbies/"), (404, "/api/v1/cvs/heidi/basics/"),
                        (404, "/api/v1/cvs/heidi/projects/?lang=de")]
    if path == "/api/v1/cvs/{person}/pdf/":
        return query_targets(f"{ramin}pdf/", "lang") + person_targets("pdf/") + [
            (200, "/api/v1/cvs/mahsa/pdf/?lang=de"), (404, "/api/v1/cvs/heidi/pdf/?lang=de")]
    if path == "/api/v1/cvs/{person}/picture/":
        return query_targets(f"{ramin}picture/") + person_targets("picture/") + [
            (200, "/api/v1/cvs/mahsa/picture/"), (200, "/api/v1/cvs/omid/picture/"),
            (404, "/api/v1/cvs/heidi/picture/")]
    return query_targets(path)


def head_faults(path, method, target):
    """Requests whose head is at fault in one way each."""
    many = tuple((f"X-Field-{number}", "x") for number in range(101))
    yield Case(path, 400, target, method, host="a b")
    yield Case(path, 400, target, method, headers=(("Transfer-Encoding", "chunked"),))
    yield Case(path, 414, f"{target}?x={'a' * 4096}", method)
    yield Case(path, 431, target, method, headers=many)
    yield Case(path, 505, target, method, version="HTTP/1.2")
    yield Case(path, 200 if path in ANY_HOST else 400, target, method, host="other.example.net")


def special_cases(path, method, target, statuses):
    """Those answers that a header, a missing slash or an empty data folder brings about."""
    origin = ("Origin", ORIGINS[0])
    yield Case(path, 200, target, method, headers=(origin,))
    if target.endswith("/"):
        yield Case(path, 301, target[:-1] + "?a=b", method, headers=(origin,))
    if "304" in statuses:
        yield Case(path, 304, target, method, headers=(("If-None-Match", "*"), origin))
    if "406" in statuses:
        yield Case(path, 406, target, method, headers=(("Accept-Encoding", "*;q=0"), origin))
    coded = "Content-Encoding" in resolve(statuses["200"])["headers"]
    for coding in ("br", "gzip"):
        yield Case(path, 200, target, method, headers=(("Accept-Encoding", coding),))
        if coded:
            yield Case(path, 200, target, method, headers=(("Accept-Encoding", f"{coding}, identity;q=0"),))
    if "206" in SPEC["paths"][path]["get"]["responses"]:
        is_get = method == "GET"  # HEAD ignores ranges
        yield Case(path, 206 if is_get else 200, target, method, headers=(("Range", "bytes=0-9"), origin))
        yield Case(path, 416 if is_get else 200, target, method, headers=(("Range", "bytes=999999999-"),))
        yield Case(path, 200, target, method, headers=(("Range", "bytes=0-1,4-5"),))
    if "503" in statuses:
        yield Case(path, 503, target, method, service="empty")
    yield Case(path, 200 if path in ANY_HOST else 301, target, method, headers=(origin,), service="secure")


def cases():
    """Every request of the walk, but for the ones that wait."""
    for path, item in SPEC["paths"].items():
        first = targets(path)[0][1]
        for method in ("GET", "HEAD"):
            for status, target in targets(path):
                yield Case(path, status, target, method)
            yield from special_cases(path, method, first, item[method.lower()]["responses"])
            yield from head_faults(path, method, first)
        yield Case(path, 204, first, "OPTIONS")
        yield Case(path, 204, first, "OPTIONS", headers=(
            ("Origin", ORIGINS[0]), ("Access-Control-Request-Method", "GET")))
        yield Case(path, 204 if path in ANY_HOST else 301, first, "OPTIONS", service="secure")
        if first.endswith("/"):
            yield Case(path, 301, first[:-1], "OPTIONS")
        for case in head_faults(path, "OPTIONS", first):
            yield case._replace(status=204) if case.status == 200 else case
        for method in OTHER_METHODS:
            yield Case(path, 405, first, method)


def read(data, method):
    """The one answer in the bytes; of status 0 when there is none.

    A HEAD whose head is at fault may get a body: what cannot be read has no method.
    """
    if not data:
        return Answer(0, [], b"")
    answer, rest = split_one(data, method)
    may_follow = method == "HEAD" and answer.status in HEAD_FAULTS
    assert may_follow or not rest, f"behind the answer: {rest[:200]!r}"
    return answer


def waiting_cases(address):
    """Starts a request on each operation and never ends its head."""
    for path, method, _ in operations():
        target = targets(path)[0][1]
        link = connect(address)
        link.sendall(f"{method.upper()} {target} HTTP/1.1\r\nHost: localhost\r\n".encode())
        yield Case(path, 408, target, method.upper()), link


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Every case with its answer."""
    folders = {name: tmp_path_factory.mktemp(f"openapi_{name}") for name in ("full", "empty", "secure")}
    data = sample_data(folders["full"])
    (data / "cvs/heidi_de.json").write_bytes(samples.cv("Heidi"))
    (data / "cvs/omid.json").write_bytes(samples.cv("Omid"))
    (data / "pics/omid.webp").write_bytes(b"RIFF\x04\x00\x00\x00WEBP")
    write_cvs(folders["secure"], samples.SMALL)
    with ExitStack() as stack:
        addresses = {}
        for name, folder in folders.items():
            settings = {"CORS_ALLOWED_ORIGINS": ",".join(ORIGINS),
                        "SECURE_SSL_REDIRECT": "true" if name == "secure" else "false"}
            addresses[name] = stack.enter_context(running(folder, settings)).address
        waiting = list(waiting_cases(addresses["full"]))
        found = []
        for case in cases():
            data = talk(addresses[case.service], case.bytes(), allow_reset=True)
            found.append((case, read(data, case.method)))
        for case, link in waiting:
            with link:
                found.append((case, read(read_to_end(link, 15), case.method)))
        return found


def faults(case, answer):
    """What in this answer is not as described."""
    if answer.status != case.status:
        yield f"status {answer.status}, not {case.status}"
    described = case.operation()["responses"].get(str(answer.status))
    if described is None:
        yield f"status {answer.status} is not described"
        return
    described = resolve(described)
    yield from header_faults(answer, described.get("headers", {}))
    if case.method != "HEAD":
        yield from body_faults(answer, described)


def header_faults(answer, headers):
    """Headers that are missing, of another form, or not described."""
    for name, entry in headers.items():
        entry = resolve(entry)
        values = answer.all(name)
        if values:
            for error in validator(entry["schema"]).iter_errors(", ".join(values)):
                yield f"{name}: {error.message}"
        elif entry.get("required"):
            yield f"{name} is missing"
    for name in answer.names() - NOT_DESCRIBED - {name.lower() for name in headers}:
        yield f"{name} is not described"


def body_faults(answer, described):
    """A body of another type or form than described."""
    content = described.get("content", {})
    if not content:
        if answer.body:
            yield f"a body: {answer.body[:80]!r}"
        return
    entry = content.get(answer.header("Content-Type").split(";")[0])
    if entry is None:
        yield f"type {answer.header('Content-Type')} is not described"
        return
    if "schema" not in entry:
        return
    text = DECODE[answer.header("Content-Encoding")](answer.body).decode("utf-8")
    value = json.loads(text) if "json" in answer.header("Content-Type") else text
    for error in validator(entry["schema"]).iter_errors(value):
        yield f"body: {error.message[:200]}"
    if answer.status >= 400 and "error" in value:
        if (answer.status, value["error"]["message"]) not in described_errors(described):
            yield f"message {value['error']['message']!r} is not among the examples"
        if value["error"]["request_id"] != answer.header("X-Request-ID"):
            yield "another request id in the body"


def test_every_answer_is_as_described(walked):
    """Status, headers and body of each answer fit the description of its operation."""
    found = [f"{case.method} {case.target[:90]} {list(case.headers)[:2]}: {fault}"
             for case, answer in walked for fault in faults(case, answer)]
    assert found == [], f"{len(found)} faults:\n" + "\n".join(found[:60])


def test_every_described_status_was_seen(walked):
    """What is described does occur; only the proxy answers 429."""
    seen = {(case.path, case.method.lower(), str(answer.status)) for case, answer in walked}
    for path, method, operation in operations():
        expected = set(operation["responses"]) - {"default"} - ONLY_THE_PROXY
        missing = {status for status in expected if (path, method, status) not in seen}
        assert not missing, f"{method} {path}: never seen {sorted(missing)}"


def test_every_described_message_was_seen(walked):
    """Each error example of an operation's answers did occur, on GET."""
    for path, method, operation in operations():
        answers = [answer for case, answer in walked if (case.path, case.method) == (path, "GET")]
        seen = {(answer.status, answer.json()["error"]["message"]) for answer in answers
                if answer.status >= 400 and b'"error":{' in answer.body[:20]}
        for status, response in operation["responses"].items():
            if method == "get" and status not in ONLY_THE_PROXY | {"default"}:
                assert described_errors(resolve(response)) <= seen, (path, status)


def test_every_described_header_and_type_was_seen(walked):
    """No header or media type is described that no answer has."""
    for path, method, operation in operations():
        answers = [answer for case, answer in walked if (case.path, case.method.lower()) == (path, method)]
        for status in ("200", "204", "206"):
            response = resolve(operation["responses"].get(status, {}))
            with_status = [answer for answer in answers if str(answer.status) == status]
            names = set().union(*(answer.names() for answer in with_status))
            assert {name.lower() for name in response.get("headers", {})} <= names, (path, method, status)
    seen = {answer.header("Content-Type") for _, answer in walked if answer.all("Content-Type")}
    contents = [node["content"] for _, node in nodes(SPEC) if isinstance(node.get("content"), dict)]
    assert {value.split(";")[0] for value in seen} == set().union(*contents)


def test_whole_cvs_fit_the_cv_schema(service):
    """Without focus, what is served is what docs/cv.schema.json describes."""
    for person in ask(service, "/api/v1/cvs/").json()["cvs"]:
        for lang in VALUES["lang"][0]:
            document = ask(service, f"/api/v1/cvs/{person}/?lang={lang}").json()
            Draft202012Validator(CV_SCHEMA).validate(document)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("target", NO_SUCH_PATH)
def test_other_paths_are_not_found(service, target, method):
    """No path answers that is not described."""
    answer = ask(service, target, method)
    assert answer.status == 404
    described = SPEC["components"]["responses"]["NotFound"]
    assert list(header_faults(answer, described["headers"])) == []
    if method != "HEAD":
        assert list(body_faults(answer, described)) == []


@pytest.mark.parametrize("coding", DECODE)
def test_the_file_is_served(service, coding):
    """Byte by byte, in every coding."""
    headers = {"Accept-Encoding": coding} if coding else {}
    answer = ask(service, "/api/v1/openapi.json", headers=headers)
    assert answer.header("Content-Encoding") == coding
    assert DECODE[coding](answer.body) == FILE.read_bytes()


def test_version_and_index(service):
    """The running version is the described one; the index names described paths only."""
    assert ask(service, "/api/v1/health/").json()["version"] == SPEC["info"]["version"]
    index = ask(service, "/api/v1/").json()
    assert index["version"] == SPEC["info"]["version"]
    for name, template in index["endpoints"].items():
        assert template.split("{?")[0] in SPEC["paths"], name
