"""What the sidecar shows people: the page, the settings, the events; and to whom it answers at all."""
import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from expect import check_error
from hostile import HOSTILE
from samples import SMALL
from service import running, wait_until, write_cvs
from sidecar import CHECKS, check_of, is_ready, metrics, select, watching
from test_cli import GOOD_KEY, SETTINGS
from test_hostile import GOOD, check_closing_refusal
from wire import ask, talk

HOSTILE_NAME = "<img src=x>.json"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; elements must be closed in their order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self.style, self.open = [], "", "", []
        self.rows = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        if "style" in self.open:
            self.style += data
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    def named(self, tag):
        """The attributes of all elements of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def row(self, first):
        """The cells of the first row that begins so."""
        return next(row for row in self.rows if row and row[0] == first)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A service that refuses a file with a hostile name, and its sidecar."""
    folder = tmp_path_factory.mktemp("page")
    write_cvs(folder, {**SMALL, HOSTILE_NAME: b"{"})
    with running(folder, {"WEB_CONCURRENCY": "3"}) as service, watching(folder) as sidecar:
        wait_until(lambda: select(metrics(sidecar), "cv_workers", state="ready") == 3)
        wait_until(lambda: check_of(sidecar, "workers")["status"] == "ok")
        yield service, sidecar


def page(sidecar):
    """The page as it is now, parsed."""
    answer = ask(sidecar, "/")
    assert answer.status == 200 and answer.header("Content-Type") == "text/html; charset=utf-8"
    return Page(answer.body.decode("utf-8"))


def test_page_is_plain(both):
    """No script, nothing from elsewhere, no form; it refreshes itself and says its language and title."""
    shown = page(both[1])
    names = {name for name, _ in shown.elements}
    assert not names & {"script", "iframe", "object", "embed", "form", "img", "link", "base", "svg"}
    for name, attributes in shown.elements:
        assert not [key for key in attributes if key.startswith("on") or key in ("style", "src")], name
    refresh = [one["content"] for one in shown.named("meta") if one.get("http-equiv") == "refresh"]
    assert len(refresh) == 1 and 1 <= int(refresh[0]) <= 60
    assert shown.named("html")[0]["lang"] == "en" and "title" in names
    assert "viewport" in [one.get("name") for one in shown.named("meta")]
    for link in shown.named("a"):
        assert ask(both[1], "/" + link["href"]).status == 200, link


def test_page_tells_all(both):
    """Status, every check with what it says, every worker, versions and uptimes."""
    service, sidecar = both
    shown = page(sidecar)
    assert "cv-backend is degraded" in shown.text and "Ready for requests." in shown.text
    for name in CHECKS:
        assert shown.row(name)[1] == check_of(sidecar, name)["status"]
    for pid in service.children("worker"):
        cells = shown.row(str(pid))
        assert cells[1] == "ready" and cells[2].isdigit() and cells[3].isdigit() and re.search(r"\d s$", cells[4])
    assert f"arbiter {service.process.pid}" in shown.text and "Instance query-0" in shown.text
    assert "3 CVs of 2 persons in generation 1" in shown.text
    assert re.search(r"cv-health \d+\.\d+\.\d+, up \d+ s", shown.text)


def test_page_escapes(both):
    """A hostile file name is text, and nothing but text."""
    sidecar = both[1]
    assert HOSTILE_NAME in check_of(sidecar, "cv_data")["message"]
    shown = page(sidecar)
    assert HOSTILE_NAME in shown.row("cv_data")[2] and not shown.named("img")
    assert b"<img" not in ask(sidecar, "/").body


def test_page_policy(both):
    """Its policy allows the style that stands in it, by hash, and nothing else."""
    answer = ask(both[1], "/")
    style = Page(answer.body.decode("utf-8")).style
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode()
    policy = dict(part.strip().partition(" ")[::2] for part in answer.header("Content-Security-Policy").split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["style-src"] == f"'sha256-{digest}'" and policy["frame-ancestors"] == "'none'"
    assert set(policy) == {"default-src", "style-src", "base-uri", "form-action", "frame-ancestors"}
    for name, value in (("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"),
                        ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store")):
        assert answer.header(name) == value


@pytest.mark.parametrize("target", ["/", "/config", "/events", "/metrics", "/health", "/api/v1/health/"])
def test_head(both, target):
    """HEAD tells what GET would, without the body."""
    head = ask(both[1], target, "HEAD")
    assert head.status == 200 and head.body == b"" and int(head.header("Content-Length")) > 10
    assert head.header("Content-Type") == ask(both[1], target).header("Content-Type")
    wrong = ask(both[1], target, "POST")
    assert wrong.status == 405 and wrong.header("Allow") == "GET, HEAD, OPTIONS"


def test_settings_with_sources(tmp_path):
    """Every setting with its value and where it is from; a secret never."""
    key = tmp_path / "key"
    key.write_text(GOOD_KEY + "\n")
    with watching(tmp_path, {"SECRET_KEY_FILE": str(key), "TIMEOUT": "17"}) as sidecar:
        answer = ask(sidecar, "/config")
        assert answer.header("Cache-Control") == "no-store" and GOOD_KEY.encode() not in answer.body
        settings = {one["name"]: one for one in answer.json()["settings"]}
        assert list(settings) == SETTINGS
        assert all(list(one) == ["name", "value", "source"] for one in settings.values())
        assert settings["SECRET_KEY"] == {"name": "SECRET_KEY", "value": "(hidden)", "source": "SECRET_KEY_FILE"}
        assert settings["TIMEOUT"] == {"name": "TIMEOUT", "value": "17", "source": "environment"}
        assert settings["KEEPALIVE"]["source"] == "default"


def test_events(tmp_path):
    """A change is told with its reason and how long the state before had lasted; newest first."""
    with watching(tmp_path) as sidecar:
        wait_until(lambda: check_of(sidecar, "workers")["status"] == "error")
        assert ask(sidecar, "/events").json() == {"events": []}
        assert "None since" in page(sidecar).text
        write_cvs(tmp_path, SMALL)
        with running(tmp_path):
            wait_until(lambda: is_ready(sidecar))
        wait_until(lambda: not is_ready(sidecar))
        wait_until(lambda: check_of(sidecar, "workers")["status"] == "error")
        events = ask(sidecar, "/events").json()["events"]
        assert [one["time"] for one in events] == sorted((one["time"] for one in events), reverse=True)
        for one in events:
            assert list(one) == ["time", "check", "from", "to", "reason", "lasted_seconds"]
            assert one["from"] != one["to"] and one["lasted_seconds"] >= 0
        workers = [one for one in events if one["check"] == "workers"]
        assert (workers[-1]["from"], workers[-1]["to"]) == ("error", workers[-2]["from"])
        assert workers[0]["to"] == "error" and "start cv-query" in workers[0]["reason"]
        assert any(workers[0]["reason"] in " ".join(row) for row in page(sidecar).rows)
        assert re.search("WARNING .* a check has changed check=workers from=.* to=error", sidecar.log())


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_unknown_hosts(both, host):
    """No name that leads here by somebody else's wish may read what people see; machines may use any."""
    for target in ("/", "/config", "/events", "/nothing"):
        check_error(ask(both[1], target, host=host), 400, "Invalid host")
    for target in ("/drain", "/undrain", "/reload", "/loglevel?level=info"):
        check_error(ask(both[1], target, "POST", host=host), 400, "Invalid host")
    for target in ("/livez", "/readyz", "/readyz/query", "/startupz", "/metrics", "/health", "/api/v1/health/"):
        assert ask(both[1], target, host=host).status == 200, target


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.7:8001", "[2001:db8::1]:8001", "localhost:1", "a.localhost"])
def test_addresses_as_hosts(both, host):
    """An address cannot be made to lead here by anybody."""
    for target in ("/", "/config", "/events", "/livez"):
        assert ask(both[1], target, host=host).status == 200


@pytest.mark.parametrize("_, data, allowed", HOSTILE[::7], ids=[case[0] for case in HOSTILE[::7]])
def test_hostile_heads(both, _, data, allowed):
    """Refused as on the service: one answer, then closed."""
    received = talk(both[1].address, data + GOOD, half_close=False, allow_reset=len(data) > 60_000)
    check_closing_refusal(received, allowed)


def test_what_is_not_there(both):
    """404 in the service's form, and no CV."""
    for target in ("/nothing", "/api/v1/", "/api/v1/cvs/", "/config/", "/metrics/x"):
        answer = ask(both[1], target)
        check_error(answer, 404, "Not found", {"path": target})
    assert json.loads(ask(both[1], "/health").body)["checks"].keys() == set(CHECKS)
