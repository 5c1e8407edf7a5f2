"""The production compose stack on a real engine: built from a clean clone, asked through the proxy's TLS port, killed,
rolled, taken down. In the order of the file: each test but the last one leaves the stack running and well."""
import json
import re

import pytest

from service import ROOT, wait_until
from stack import IMAGES, TARGET, UNCACHED, built, compose_command, docker, finish, kill_inside, read_proc

INSTANCES = ("query-a", "query-b")
SERVICES = (*INSTANCES, "health", "proxy")


@pytest.fixture(scope="module", name="production")
def running_stack(tmp_path_factory):
    """Built and up; what is left of it afterwards goes."""
    with built(tmp_path_factory) as made:
        made.up_seconds = made.up()
        wait_until(lambda: made.is_healthy(*SERVICES), 60, step=0.5)
        yield made


def test_the_time_it_takes(production, capsys):
    """From a clone to the first answer: told, with what the engine had already; how fast a machine is, is no fault."""
    whole = production.build_seconds + production.up_seconds
    kept = "all layers new" if not re.search("Using cache|CACHED", production.build_output.split("RUN cmake")[0]) else \
        "compiled anew, packages from the cache" if "Building CXX object" in production.build_output else \
        "compiled by an earlier build"
    with capsys.disabled():
        print(f"\nfrom clone to first answer: {whole:.0f} s ({kept}), {production.up_seconds:.1f} s of it for up")
    assert "RUN cmake" in production.build_output


def test_settings_that_are_required(production):
    """Without them compose starts nothing and says which is missing."""
    for missing in ("SECRET_KEY", "ALLOWED_HOSTS"):
        kept = production.settings.pop(missing)
        production.write_settings()
        done = finish([*production.compose, "config"], code=None, cwd=production.folder, env=production.environment)
        production.settings[missing] = kept
        production.write_settings()
        assert done.returncode != 0 and f"{missing} is required: set it in .env" in done.stderr


def test_a_secret_from_a_file(production):
    """As the head of secrets.yml says: of a group of its own, readable for nobody else; all of ours can read it."""
    key = production.folder / "key"
    key.write_text("k" + production.settings["SECRET_KEY"] + "\n", "utf-8")
    head = (ROOT / "deploy/docker/secrets.yml").read_text("utf-8")
    given = re.search("chown .* && chmod .*", head)[0].replace("/etc/cv-backend/secret_key", "/key")
    docker("run", "--rm", "-v", f"{key}:/key", "debian:bookworm-slim", "sh", "-c", given)
    settings = dict(re.findall(r"^#   (\w+)=(.*)$", head, re.M))
    settings["SECRET_KEY_FILE"] = str(key)
    compose = [part for part in production.compose if part not in ("-f", "docker-compose.prod.yml")]

    def run(*arguments, code=0):
        return finish([*compose, "run", "--rm", "--no-deps", "-T", *arguments], code=code, cwd=production.folder,
                      env={**production.environment, **settings})

    for service, words in (("query-a", ["query-a"]), ("health", ["--entrypoint", "/usr/bin/cv-query", "health"]),
                           ("proxy", ["--entrypoint", "/usr/bin/cv-query", "proxy"])):
        said = run(*words, "config").stdout
        assert re.search(r"SECRET_KEY=.*SECRET_KEY_FILE", said) and "in-a-file" not in said, service
        assert "cv.W020" not in run(*words, "check", "--deploy", code=None).stdout, service


def test_the_edge(production):
    """API, page and health by TLS with their headers; plain HTTP leads there; other names get nothing."""
    answer = production.ask("/api/v1/cvs/")
    assert answer.status == 200 and json.loads(answer.body) == {"cvs": ["mahsa", "ramin"]}
    assert answer.header("Strict-Transport-Security") == "max-age=31536000; includeSubDomains"
    assert answer.header("RateLimit-Policy") and answer.header("Server") is None
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert "default-src 'none'" in answer.header("Content-Security-Policy")
    cv = production.ask(f"{TARGET}?lang=fa")
    assert json.loads(cv.body) == json.loads((ROOT / "data/cvs/ramin_fa.json").read_text("utf-8"))
    allowed = production.ask("/api/v1/", "-H", "Origin: https://app.example.org")
    assert allowed.header("Access-Control-Allow-Origin") == "https://app.example.org"
    page = production.ask("/")
    assert page.status == 200 and "script-src 'self'" in page.header("Content-Security-Policy")
    script = re.search(rb'src="(/static/[^"]+\.js)"', page.body).group(1).decode()
    static = production.ask(script, "--compressed", "-o", "/dev/null", "-D", "-")
    assert static.status == 200 and static.header("Content-Encoding") == "br"
    assert "immutable" in static.header("Cache-Control")
    health = production.ask("/api/v1/health/")
    assert health.status == 200 and json.loads(health.body)["status"] == "healthy"
    missing = production.ask("/api/v1/cvs/nobody/")
    assert missing.status == 404 and missing.header("Strict-Transport-Security")
    for path in ("/livez", "/metrics", "/readyz"):
        assert production.ask(path).status == 404, path
    head = production.curl("-sI", "http://localhost/api/v1/cvs/?limit=1")
    assert re.search(r"^location: https://localhost/api/v1/cvs/\?limit=1$", head, re.M | re.I), head
    assert production.ask("/", host="unknown.example.net").status == 0


def test_the_sidecar(production):
    """It sees both instances, nginx and its certificate; it is published on the loopback alone."""
    url = "http://127.0.0.1:8001"
    wait_until(lambda: production.curl(f"{url}/readyz") == "ok\n", 10)

    def seen():
        found = json.loads(production.curl(f"{url}/health"))
        return found["checks"]["proxy"]["status"] == "ok" and found

    report = wait_until(seen, 15, step=0.2)
    assert report["status"] in ("healthy", "degraded"), report  # a full disk of the machine is no matter of the stack's
    listeners = report["checks"]["query"]["listeners"]
    assert sorted((one["instance"], one["url"], one["status"]) for one in listeners) in (
        [("query-0", "unix:/run/cv-backend/a.sock", 200), ("query-1", "unix:/run/cv-backend/b.sock", 200)],
        [("query-0", "unix:/run/cv-backend/b.sock", 200), ("query-1", "unix:/run/cv-backend/a.sock", 200)])
    assert report["checks"]["certificate"]["days_left"] > 300
    assert 'service_instance_id="query-1"' in production.curl(f"{url}/metrics")
    ports = production.inspect("health")["NetworkSettings"]["Ports"]
    assert [one["HostIp"] for one in ports["8001/tcp"]] == ["127.0.0.1"]


PROMETHEUS = """
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus >/dev/null && rm -r /var/lib/apt/lists
RUN install -d -o nobody -g nogroup /prometheus
USER nobody
ENTRYPOINT ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
"""


def test_monitoring(production):
    """The profile's Prometheus, Debian's for the one that cannot be pulled here, sees the sidecar and has our rules."""
    image = f"{IMAGES}/prometheus:{production.project}"
    finish(["docker", "build", "-t", image, "-"], text_in=PROMETHEUS, timeout=300)
    compose = ("--profile", "monitoring")
    production.run_compose(*compose, "up", "-d", "--no-build", "--no-deps", "prometheus", PROMETHEUS_IMAGE=image)
    try:
        def asked(what):
            said = production.curl(f"http://127.0.0.1:9090/api/v1/{what}", code=None)
            return said and json.loads(said)["data"]

        found = wait_until(lambda: (one := asked("query?query=up")) and one["result"], 60, step=0.5)
        assert [(one["metric"]["job"], one["value"][1]) for one in found] == [("cv-backend", "1")]
        health = {rule["health"] for group in asked("rules")["groups"] for rule in group["rules"]}
        assert health and health <= {"ok", "unknown"}
    finally:
        production.run_compose(*compose, "rm", "--stop", "--force", "-v", "prometheus", PROMETHEUS_IMAGE=image)
        docker("rmi", image)


def test_confinement(production):
    """A fixed user, no capability, nothing to gain, a root nobody can write; the service has no network at all."""
    for service in SERVICES:
        container = production.container(service)
        status = dict(line.split(":\t", 1) for line in read_proc(container, "status").splitlines() if ":\t" in line)
        user = "10002" if service == "proxy" else "10001"
        assert set(status["Uid"].split()) | set(status["Gid"].split()) == {user}, service
        assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb")} == {"0" * 16}, service
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", service
        mounts = [line.split() for line in read_proc(container, "mounts").splitlines()]
        root = [fields for fields in mounts if fields[1] == "/"][-1]
        assert "ro" in root[3].split(","), root
        writable = {fields[1] for fields in mounts if "rw" in fields[3].split(",")} - {"/proc", "/dev"}
        of_the_engine = ("/proc/", "/dev/", "/sys", "/etc/hos", "/etc/resolv")
        writable = {path for path in writable if not path.startswith(of_the_engine)}
        assert writable == {
            "health": set(),
            "proxy": {"/tmp", "/run/cv-proxy", "/var/lib/cv-backend/site", "/var/cache/cv-proxy"},
        }.get(service, {"/run/cv-backend", "/var/lib/cv-backend"}), service
        host = production.inspect(service)["HostConfig"]
        assert host["Memory"] and host["PidsLimit"] and host["RestartPolicy"]["Name"] == "unless-stopped", service
        assert host["LogConfig"]["Config"]["max-size"] == "10m"
    for service in INSTANCES:
        links = read_proc(production.container(service), "net/dev").splitlines()[2:]
        assert [line.split(":")[0].strip() for line in links] == ["lo"], links
    tries = "touch /x /usr/bin/x /run/cv-backend/x 2>&1; stat -c '%F %u %a %n' /run/cv-backend/*"
    said = docker("exec", production.container("proxy"), "bash", "-c", tries)
    assert said.count("Read-only file system") == 3
    assert "socket 10001 666 /run/cv-backend/a.sock" in said and "socket 10001 666 /run/cv-backend/b.sock" in said
    assert "directory 10001 750 /run/cv-backend/query-0" in said


def test_both_killed(production):
    """nginx goes on with what it has stored, and says plainly what it has not; all is well once they are back."""
    assert production.ask(TARGET).status == 200
    kept = [production.container(service) for service in INSTANCES]
    docker("kill", *kept)
    # One second of freshness at most; then it is stale and served all the same.
    wait_until(lambda: production.ask(TARGET).header("X-Cache") == "STALE", 10)
    stale, never = production.ask(TARGET), production.ask(UNCACHED)
    assert stale.status == 200
    assert json.loads(stale.body) == json.loads((ROOT / "data/cvs/ramin.json").read_text("utf-8"))
    assert never.status == 502 and json.loads(never.body)["error"]["request_id"] == never.header("X-Request-ID")
    assert production.ask("/").status == 200
    docker("start", *kept)
    wait_until(lambda: production.ask(UNCACHED).status == 200, 30)
    wait_until(lambda: production.ask(TARGET).header("X-Cache") != "STALE", 30)
    wait_until(lambda: production.is_healthy(*SERVICES), 60, step=0.5)


def test_a_crash(production):
    """A process that is killed is started again by the engine within seconds; the other instance answers meanwhile."""
    container = production.container("query-a")
    with production.load() as outcome:
        kill_inside(container)
        wait_until(lambda: json.loads(docker("inspect", container))[0]["RestartCount"] == 1, 15, step=0.1)
        wait_until(lambda: production.is_healthy("query-a"), 60, step=0.5)
    check_load(outcome, most_lost=8)  # directly at the kill: what that instance had in flight


def check_load(outcome, most_lost=0):
    """All answers are right, stored ones and others; at most so many were in the hands of a process that was killed."""
    answers = outcome["answers"]
    good = sum(count for answer, count in answers.items() if answer.startswith("200 "))
    lost = sum(answers.values()) - good + len(outcome["faults"])
    assert good > 100 and lost <= most_lost, outcome
    stored = sum(count for answer, count in answers.items() if answer.startswith("200 ") and "BYPASS" not in answer)
    assert good / 4 < stored < good * 3 / 4, outcome


def images_of(production):
    """Which image each service's container runs."""
    return {service: production.inspect(service)["Image"] for service in (*INSTANCES, "health")}


def test_roll(production):
    """To a new image and back, one instance after the other, with no request lost."""
    before, proxy = images_of(production), production.inspect("proxy")["Image"]
    production.run_compose("build", timeout=300, CV_TAG="next")  # the same sources: another version's label
    with production.load() as outcome:
        production.roll(CV_TAG="next")
        after = images_of(production)
    check_load(outcome)
    assert not set(before.values()) & set(after.values())
    assert after["query-a"] == after["query-b"] == production.image("query", "next")["Id"]
    production.roll("--proxy", CV_TAG="next")  # nothing new but nginx: what to go back to stays
    assert images_of(production) == after and production.inspect("proxy")["Image"] != proxy
    with production.load() as outcome:
        production.roll("--back")
        assert images_of(production) == before
    check_load(outcome)
    production.roll("--back", "--proxy")
    assert production.inspect("proxy")["Image"] == proxy


def test_a_tag_without_an_image(production):
    """Nothing is touched, and it says what is missing."""
    kept = [production.container(service) for service in SERVICES]
    said = production.roll(code=69, CV_TAG="wrong").stderr
    assert f"there is no image {IMAGES}/query:wrong" in said and "healthy" not in said
    assert [production.container(service) for service in SERVICES] == kept


def test_settings_that_do_not_start(production):
    """They are no image, and cannot be put back like one: it says so, and how to go on. The other instance serves."""
    untouched = production.container("query-b")
    with production.load() as outcome:
        said = production.roll(code=1, LOG_LEVEL="loud", ROLL_TIMEOUT="10").stderr
        assert "LOG_LEVEL" in said and "query-a has not become healthy within 10 s" in said
        assert "query-a runs the image of before, so that cannot be put back; settings are not put back" in said
        given = re.search("mend them, then: (.*)", said)[1].replace("docker compose", " ".join(compose_command()))
        finish(["sh", "-c", given], cwd=production.folder, env=production.environment, timeout=60)
        wait_until(lambda: production.is_healthy("query-a"), 60, step=0.5)
    check_load(outcome)
    assert production.container("query-b") == untouched
    # A new image and bad settings at once: neither that image nor the one of before gets healthy.
    said = production.roll(code=1, CV_TAG="next", LOG_LEVEL="loud", ROLL_TIMEOUT="10").stderr
    assert "query-a could not be put back to its image of before either, and does not serve now" in said
    assert production.ask(UNCACHED).status == 200 and production.container("query-b") == untouched
    given = re.search("mend them, then: (.*)", said)[1].replace("docker compose", " ".join(compose_command()))
    finish(["sh", "-c", given], cwd=production.folder, env=production.environment, timeout=60)
    wait_until(lambda: production.is_healthy("query-a"), 60, step=0.5)


def test_a_version_that_does_not_start(production):
    """The first instance is put back, the other one has never been touched."""
    before = images_of(production)
    for name in ("query", "health"):
        broken = f'FROM {IMAGES}/{name}:{production.project}\nENTRYPOINT ["/usr/bin/cv-{name}", "--no-such-flag"]\n'
        (production.folder / "build").mkdir(exist_ok=True)
        (production.folder / "build/Dockerfile").write_text(broken, "utf-8")
        docker("build", "-q", "-t", f"{IMAGES}/{name}:broken", production.folder / "build")
    untouched = production.container("query-b")
    with production.load() as outcome:
        said = production.roll(code=1, CV_TAG="broken", ROLL_TIMEOUT="15").stderr
    check_load(outcome)
    assert "--no-such-flag" in said and "query-a is back at what ran before" in said
    assert images_of(production) == before and production.container("query-b") == untouched
    assert production.is_healthy(*INSTANCES)


def test_down(production):
    """Nothing is left: no container, volume or network."""
    production.down()
    mine = f"label=com.docker.compose.project={production.project}"
    assert docker("ps", "-aq", "--filter", mine) == docker("network", "ls", "-q", "--filter", mine) == ""
    assert docker("volume", "ls", "-q", "--filter", mine) == ""
