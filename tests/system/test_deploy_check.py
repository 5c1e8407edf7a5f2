"""`cv-query check --deploy --url`: the shipped configuration passes; each fault is named by its id."""
import json
import os
import re
import socket
import time

import jsonschema
import pytest

from broken_edges import EDGES, edit, naive_server
from deployment import AVAILABLE, SECRET, Authority, Deployment, deployed
from load import free_port
from service import ROOT, run_program
from sidecar import watching

pytestmark = pytest.mark.skipif(not AVAILABLE and os.environ.get("CI") != "true", reason="needs nginx and openssl")
SCHEMA = re.search(r"```json\n(\{.*?\n\})\n```", (ROOT / "docs/deploy-check.md").read_text("utf-8"), re.S)[1]
TABLE = (ROOT / "libs/config/finding_table.hpp").read_text("utf-8")
WORDS = r'"((?:[^"\\]|\\.)*)"'
KINDS = [[word.replace('\\"', '"') for word in row] for row in re.findall(
    rf'\{{{WORDS},\s*finding_level::(\w+),\s*finding_groups::(\w+),\s*{WORDS},\s*{WORDS},\s*{WORDS}\}}', TABLE)]


@pytest.fixture(scope="module", name="authority")
def test_authority(tmp_path_factory):
    """One for all tests."""
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture(name="resting")
def deployment_at_rest(tmp_path, site, authority):
    """A good deployment that does not run: for what is seen in settings and files."""
    return Deployment(tmp_path, site, authority)


def test_shipped_configuration_passes(tmp_path, site, authority):
    """Nothing at all is found in what render-proxy.sh makes of good settings, and that takes no time."""
    with deployed(tmp_path, site, authority) as good:
        begin = time.monotonic()
        finished = run_program(tmp_path, "check", "--deploy", "--url", good.url, settings=good.settings)
        assert (finished.returncode, finished.stdout) == (0, "nothing found\n"), finished
        assert time.monotonic() - begin < 10


def test_defaults_pass(tmp_path, site, authority):
    """Without preload and security.txt, which nobody must have, it passes as well; a list of its own is silenced."""
    with deployed(tmp_path, site, authority) as good:
        code, found = good.check("--deploy", "--url", good.url, settings={
            "SECURE_HSTS_PRELOAD": None, "SECURITY_CONTACT": None})
        assert (code, set(found)) == (0, {"security.W021"})
        assert found["security.W021"]["level"] == "info"
        code, found = good.check("--url", good.url, settings={"SSL_CERT_FILE": None})
        assert (code, set(found)) == (1, {"cv.E037"})
        code, found = good.check("--url", good.url, "--silence", "cv.E037=a test certificate",
                                 settings={"SSL_CERT_FILE": None})
        assert (code, found["cv.E037"]["silenced"]) == (0, "a test certificate")
        code, found = good.check("--url", f"{good.url}/")
        assert (code, found) == (0, {})


def test_limited_refusals(tmp_path, site, authority):
    """What is not answered for the limit's sake is told, and is no refusal of what ought to be refused."""
    def accepts_bodies(it):
        edit("cv-backend.conf", r'1\|000$" 400;', r'1\|000$" "";')(it)
        edit("cv-backend.conf", "rate=100r/m", "rate=1r/m")(it)
        edit("site.conf", "burst=100", "burst=10")(it)

    with deployed(tmp_path, site, authority, accepts_bodies) as edge:
        code, found = edge.check("--url", edge.url)
        assert code == 1 and "cv.W062" in found, found
        assert "GET /api/v1/cvs/ (429)" in found["cv.W062"]["details"] and "cv.E069" not in found, found


def test_development_edge(stack):
    """That of development, several processes and all, has nothing but what lets it be asked by address."""
    finished = run_program(stack.folder, "check", "--json", "--url", stack.url,
                           settings={**stack.settings, "SSL_CERT_FILE": str(stack.authority)})
    found = {row["id"]: row["details"] for row in json.loads(finished.stdout)["findings"]}
    assert set(found) == {"cv.W044", "security.W021"}, found


def test_empty_settings(tmp_path):
    """What is missing is a finding, not the end; each has its own words."""
    finished = run_program(tmp_path, "check", "--deploy", "--json", bare=True)
    found = {row["id"] for row in json.loads(finished.stdout)["findings"]}
    assert finished.returncode == 1 and {"security.W009", "security.W020", "cv.E008"} <= found, finished


SETTINGS = [
    ("security.W004", {"SECURE_HSTS_SECONDS": "0"}), ("cv.W012", {"SECURE_HSTS_SECONDS": "3600"}),
    ("security.W005", {"SECURE_HSTS_INCLUDE_SUBDOMAINS": "false"}),
    ("security.W008", {"SECURE_SSL_REDIRECT": "false"}),
    ("security.W009", {"SECRET_KEY": "short"}), ("security.W009", {"SECRET_KEY": "insecure" + SECRET}),
    ("security.W009", {"SECRET_KEY_FILE": None}),
    ("security.W012", {"SESSION_COOKIE_SECURE": "false"}), ("security.W016", {"CSRF_COOKIE_SECURE": "false"}),
    ("security.W018", {"DEBUG": "true", "LOG_LEVEL": "info"}), ("security.W020", {"ALLOWED_HOSTS": None}),
    ("security.W021", {"SECURE_HSTS_PRELOAD": "false"}),
    ("cv.E001", {"TIMEOUT": "soon"}), ("cv.E001", {"CORS_ALLOWED_ORIGINS": "*"}),
    ("cv.E001", {"DATABASE_URL_FILE": "/no/such/file"}),
    ("cv.W002", {"CV_ENV": "development", "SECURE_SSL_REDIRECT": "true"}),
    ("cv.W003", {"LOG_LEVEL": "debug"}), ("cv.W004", {"RATE_LIMIT": "off"}),
    ("cv.E005", {"FORWARDED_ALLOW_IPS": "127.0.0.1,*"}), ("cv.E005", {"FORWARDED_ALLOW_IPS": "0.0.0.0/0"}),
    ("cv.E005", {"FORWARDED_ALLOW_IPS": "0.0.0.0/1,128.0.0.0/1"}), ("cv.E005", {"FORWARDED_ALLOW_IPS": "2000::/3"}),
    ("cv.E005", {"FORWARDED_ALLOW_IPS": "::ffff:0:0/96"}),
    ("cv.W006", {"CORS_ALLOWED_ORIGINS": "https://a.example,http://b.example"}),
    ("cv.W007", {"ALLOWED_HOSTS": "localhost,*"}),
    ("cv.E008", {"TLS_CERTIFICATE": None, "TLS_CERTIFICATE_KEY": None}), ("cv.E008", {"TLS_CERTIFICATE_KEY": "off"}),
    ("cv.I009", {"TLS_CERTIFICATE": "off", "TLS_CERTIFICATE_KEY": "off"}),
    ("cv.W010", {"SIDECAR_BIND": "0.0.0.0:8001"}), ("cv.W010", {"SIDECAR_BIND": "127.0.0.1:8001,[::]:8001"}),
    ("cv.I011", {"BIND": "0.0.0.0:8000"}),
    ("cv.E030", {"TLS_CERTIFICATE": "/no/such/file"}),
]


@pytest.mark.parametrize("wanted, settings", SETTINGS)
def test_settings(resting, wanted, settings):
    """One setting is bad, and its id is all that is found; information alone fails nothing."""
    code, found = resting.check("--deploy", settings=settings)
    assert (set(found), code) == ({wanted}, 0 if ".I" in wanted or wanted == "security.W021" else 1), found
    assert SECRET not in json.dumps(found)


def test_platforms_are_believed(resting):
    """Whole private networks, as the shipped settings of platforms name them."""
    shipped = re.search("^FORWARDED_ALLOW_IPS=(.*)$", (ROOT / "deploy/platforms/platform.env").read_text("utf-8"), re.M)[1]
    assert resting.check("--deploy", settings={"FORWARDED_ALLOW_IPS": f"{shipped},::ffff:10.0.0.0/104"}) == (0, {})


@pytest.mark.parametrize("hosts, wanted", [(".example.org", set()), ("other.example,a.example.org", set()), ("10.0.0.1", set()),
                                           ("example.org", {"cv.E036"}), ("a.b.example.org", {"cv.E036"})])
def test_names_of_a_wildcard(resting, hosts, wanted):
    """A certificate for all names right below one is for some of the hosts, or for none."""
    resting.authority.issue(resting.certificate, resting.key, "DNS:*.example.org")
    assert set(resting.check("--deploy", settings={"ALLOWED_HOSTS": hosts})[1]) == wanted


def write_data(resting, name, content):
    """Another file in the data folder."""
    resting.folder.joinpath("data/cvs").chmod(0o755)
    (resting.folder / "data/cvs" / name).write_text(content)
    resting.folder.joinpath("data/cvs").chmod(0o555)


def own_data(resting):
    """A CV is the service's own, who owns the state; its folder is not."""
    for path in (resting.folder / "state", resting.folder / "data/cvs/mina.json"):
        os.chown(path, 65534, -1)


FILES = [
    ("cv.W020", lambda it: it.secret.chmod(0o644)), ("cv.E021", lambda it: it.key.chmod(0o640)),
    ("cv.E021", lambda it: it.key.chmod(0o604)), ("cv.W022", lambda it: (it.folder / "data/cvs").chmod(0o577)),
    ("cv.E023", lambda it: (it.folder / "run").chmod(0o777)), ("cv.E023", lambda it: (it.folder / "state").chmod(0o1777)),
    ("cv.E024", lambda it: write_data(it, "bad.json", "{")), ("cv.E024", lambda it: write_data(it, "bad name.json", "{}")),
    ("cv.E025", lambda it: write_data(it, "SHA256SUMS", f"{'0' * 64}  mina.json\n")),
    ("cv.E030", lambda it: it.key.write_text("no key")), ("cv.E030", lambda it: it.certificate.write_text("none")),
    ("cv.E031", lambda it: it.authority.issue(it.certificate, it.key, begins=5)),
    ("cv.E036", lambda it: it.authority.issue(it.certificate, it.key, "DNS:other.example")),
    ("cv.W022", lambda it: (it.folder / "data/cvs/mina.json").chmod(0o666)), ("cv.W022", own_data),
    ("cv.E031", lambda it: it.authority.issue(it.certificate, it.key, days=-3)),
    ("cv.E032", lambda it: it.authority.issue(it.certificate, it.key, days=3)),
    ("cv.W033", lambda it: it.authority.issue(it.certificate, it.key, days=20)),
    ("cv.E034", lambda it: it.authority.issue(it.folder / "other.pem", it.key)),
    ("cv.W035", lambda it: it.authority.issue(it.certificate, it.key, kind=("rsa", "rsa_keygen_bits:1024"))),
]


@pytest.mark.parametrize("number", range(len(FILES)), ids=[f"{i}-{FILES[i][0]}" for i in range(len(FILES))])
def test_files(resting, number):
    """One file is bad, and its id is all that is found."""
    wanted, spoil = FILES[number]
    spoil(resting)
    code, found = resting.check("--deploy")
    assert (code, set(found)) == (1, {wanted}), found


def test_settings_file_with_secrets(resting):
    """A settings file that everybody may read is found by its path; one without secrets may be."""
    place = resting.folder / "cv.env"
    place.write_text(f"SECRET_KEY={SECRET}\n")
    place.chmod(0o644)
    given = {"SECRET_KEY_FILE": None}
    code, found = resting.check("--deploy", "--config", place, settings=given)
    assert (code, set(found)) == (1, {"cv.W020"}) and found["cv.W020"]["details"] == [f"{place}: mode 0644"]
    place.chmod(0o640)
    assert resting.check("--deploy", "--config", place, settings=given) == (0, {})
    place.write_text("RATE_LIMIT=5/s\n")
    place.chmod(0o644)
    assert resting.check("--deploy", "--config", place) == (0, {})


@pytest.mark.parametrize("number", range(len(EDGES)), ids=[f"{i}-{EDGES[i][0]}" for i in range(len(EDGES))])
def test_edges(tmp_path, site, authority, number):
    """A running edge is broken in one place, and its id is all that is found."""
    wanted, spoil, more = EDGES[number]
    with deployed(tmp_path, site, authority, spoil) as broken:
        code, found = broken.check("--url", broken.url)
        assert (set(found), code) == ({wanted} | more, 0 if wanted == "security.W021" else 1), found


def test_service_away(tmp_path, site, authority):
    """The 502 of an edge without its service is no good answer."""
    with deployed(tmp_path, site, authority, serve=False) as broken:
        code, found = broken.check("--url", broken.url)
        assert (code, set(found)) == (1, {"cv.E061"}), found


def test_limited(tmp_path, site, authority):
    """Being limited is told as such."""
    with deployed(tmp_path, site, authority, edit("cv-backend.conf", "rate=100r/m", "rate=1r/m")) as broken:
        broken.edit("site.conf", "burst=100", "burst=1")
        broken.stop()
        broken.start()
        code, found = broken.check("--url", broken.url)
        assert code == 1 and "cv.W062" in found and "cv.E061" not in found, found


def test_other_http_port(tmp_path, site, authority):
    """Nobody there, or a port that the settings do not name, is said and fails nothing."""
    with deployed(tmp_path, site, authority) as good:
        for settings in ({"HTTP_PORT": str(free_port())}, {"HTTPS_PORT": "443"}):
            code, found = good.check("--url", good.url, settings=settings)
            assert (code, set(found)) == (0, {"cv.I077"}), found


def test_nobody_answers(resting):
    """Refused, silent, unknown, and no TLS at all: findings with a reason, in good time."""
    begin = time.monotonic()
    url = f"https://localhost:{free_port()}"
    code, found = resting.check("--url", url)
    assert code == 1 and "refused" in found["cv.E060"]["details"][0]
    code, found = resting.check("--url", "https://no-such-host.invalid")
    assert code == 1 and found["cv.E060"]["details"][0].startswith("no-such-host.invalid: ")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, found = resting.check("--url", f"https://127.0.0.1:{silent.getsockname()[1]}")
        assert code == 1 and "no answer within 5 s" in found["cv.E060"]["details"][0]
    assert time.monotonic() - begin < 30


def test_naive_server(resting):
    """One that knows nothing of all this fails in most of it; framing that nginx never takes among them."""
    with naive_server(resting) as url:
        code, found = resting.check("--url", url)
    assert code == 1
    wanted = {"cv.E070", "cv.E069", "cv.W071", "cv.E061", "cv.E063", "cv.W080", "cv.W084", "cv.W085", "cv.W044",
              "security.W004", "security.W006", "security.W019", "security.E026", "cv.W053"}
    assert wanted <= set(found), wanted - set(found)
    assert len(found["cv.E070"]["details"]) == 5, found["cv.E070"]


def test_silence(resting):
    """Who waits for more has refused nothing."""
    with naive_server(resting, silent_to=b"xchunked") as url:
        code, found = resting.check("--url", url)
    assert code == 1
    assert "GET /api/v1/cvs/ (no answer within 5 s) with an unknown Transfer-Encoding" in found["cv.E070"]["details"], found


@pytest.mark.parametrize("answer, words", [
    (b"", "closed without an answer"), (b"HTTP/1.1 200 OK\r\nContent-Le", "cut off"), (b"SSH-2.0-OpenSSH_9.2p1\r\n", "not HTTP"),
    (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", "not HTTP")], ids=["none", "half", "other", "endless"])
def test_broken_answers(resting, answer, words):
    """What is no answer is told as that."""
    with naive_server(resting, answer) as url:
        code, found = resting.check("--url", url)
    assert code == 1 and words in found["cv.E060"]["details"][0], found


def outside_address():
    """An address of this machine that is not loopback; None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return None
        return probe.getsockname()[0]


def test_back_doors(tmp_path, site, authority):
    """Sidecar and service that answer at the edge's own address."""
    address = outside_address()
    if not address or address.startswith("127."):
        pytest.skip("this machine has no address but loopback")

    def move(it):
        it.authority.issue(it.certificate, it.key, f"IP:{address}")
        it.settings.update(ALLOWED_HOSTS=address, BIND=f"unix:{it.query},{address}:{doors[1]}")
        it.render()
        it.edit("servers.conf", "127.0.0.1:", f"{address}:")
        it.address = address

    doors = (free_port(), free_port())
    with deployed(tmp_path, site, authority, move) as broken:
        broken.settings["SIDECAR_BIND"] = f"{address}:{doors[0]}"
        with watching(tmp_path, broken.settings):
            code, found = broken.check("--url", f"https://{address}:{broken.https}")
    assert code == 1 and {"cv.E075", "cv.W076"} <= set(found), found
    assert "cv.E036" not in found and "cv.E060" not in found, found


@pytest.mark.parametrize("arguments, words", [
    (["--silence", "cv.E037"], "ID=REASON"), (["--silence", "cv.E037= "], "ID=REASON"),
    (["--silence", "cv.E999=why"], "no such id"), (["--url", "http://localhost"], "https://"),
    (["--url", "https://localhost/api/"], "https://"), (["--url", "https://user@localhost"], "https://"),
    (["--url", "https://localhost:0"], "https://")])
def test_wrong_usage(tmp_path, arguments, words):
    """Exit 64, and what is right."""
    finished = run_program(tmp_path, "check", "--deploy", *arguments)
    assert finished.returncode == 64 and words in finished.stderr and not finished.stdout, finished


def test_flags_without_a_deployment(tmp_path):
    """--json and --silence alone are not understood; bad settings end a check of an edge alone."""
    for arguments in (["--json"], ["--silence", "cv.E037=why"], ["--url", ""]):
        assert run_program(tmp_path, "check", *arguments).returncode == 64
    finished = run_program(tmp_path, "check", "--url", "https://localhost", settings={"TIMEOUT": "soon"})
    assert finished.returncode == 78 and "TIMEOUT" in finished.stderr


def test_forms(resting):
    """The report for people names what, where, why and how to mend; the other is as docs/deploy-check.md says."""
    bad = {**resting.settings, "DEBUG": "true", "RATE_LIMIT": "off"}
    arguments = ["check", "--deploy", "--silence", "cv.W004=the platform limits"]
    finished = run_program(resting.folder, *arguments, settings=bad)
    assert finished.returncode == 1
    assert "warning  security.W018  DEBUG is on\n           - DEBUG=true\n           why:  " in finished.stdout
    assert "           mend: DEBUG=false\n" in finished.stdout
    assert "silenced\n  cv.W004  RATE_LIMIT is off (the platform limits)\n" in finished.stdout
    assert finished.stdout.endswith("\n0 errors, 2 warnings, 0 info, 1 silenced\n")
    report = json.loads(run_program(resting.folder, *arguments, "--json", settings=bad).stdout)
    jsonschema.Draft202012Validator(json.loads(SCHEMA)).validate(report)
    assert report["counts"] == {"error": 0, "warning": 2, "info": 0, "silenced": 1} and report["failed"]


def test_documented():
    """docs/deploy-check.md has each kind with its level, what and mend, in the table's order; no id is there twice."""
    rows = re.findall(r"^\| `((?:security|cv)\.[EWI]\d{3})` \| (\w+) \| (.*?) \| (.*?) \|$",
                      (ROOT / "docs/deploy-check.md").read_text("utf-8"), re.M)
    assert len(KINDS) == TABLE.count("finding_level::") and len(KINDS) > 60
    assert rows == [(id_, level, what, mend) for id_, level, _, what, _, mend in KINDS]
    assert len({row[0] for row in rows}) == len(rows)
    for id_, level, *_ in rows:
        assert id_.startswith("security.") or {"E": "error", "W": "warning", "I": "info"}[id_[3]] == level


def test_every_kind_is_tried():
    """Each id of the table is one that a test here has found."""
    tried = {row[0] for rows in (SETTINGS, FILES, EDGES) for row in rows}
    tried |= {"cv.E060", "cv.E061", "cv.W062", "cv.E070", "cv.E075", "cv.W076", "cv.I077"}  # in tests of their own
    assert tried == {kind[0] for kind in KINDS}
