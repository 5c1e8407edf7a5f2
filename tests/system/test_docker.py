"""The images and the production compose stack, on a real engine: built from a clean clone, asked through the proxy's
TLS port, killed, rolled, taken down. In the order of the file: each
test but the last ones leaves the stack running and well."""
import hashlib
import json
import re
import tarfile
import time

import pytest

from service import ROOT, wait_until
from stack import HOST, IMAGES, TARGET, UNCACHED, Stack, compose_command, docker, finish, kill_inside, need_engine, read_proc

MIB = 1 << 20
INSTANCES = ("query-a", "query-b")
SERVICES = (*INSTANCES, "health", "proxy")


@pytest.fixture(scope="module", name="production")
def running_stack(tmp_path_factory):
    """Built and up; what is left of it afterwards goes."""
    need_engine()
    start = time.monotonic()
    made = Stack(tmp_path_factory.mktemp("stack"))
    made.build_output = made.run_compose("build", timeout=1500).stdout
    made.build_seconds = time.monotonic() - start
    try:
        made.up_seconds = made.up()
        wait_until(lambda: made.is_healthy(*SERVICES), 60, step=0.5)
        yield made
    except BaseException:
        print(made.run_compose("logs", "--no-color", "--tail=40").stdout)
        raise
    finally:
        made.down()
        for image in docker("images", "--format", "{{.Repository}}:{{.Tag}}", f"{IMAGES}/*").split():
            if image.endswith((made.project, ":previous", ":next", ":broken", ":dev", ":all", ":other")):
                docker("rmi", "--force", "--no-prune", image)  # the layers serve the next build


def image(production, name, tag=None):
    """What the engine knows of an image."""
    return json.loads(docker("image", "inspect", f"{IMAGES}/{name}:{tag or production.project}"))[0]


def test_the_time_it_takes(production, capsys):
    """From a clone to the first answer: told, with what the engine had already; how fast a machine is, is no fault."""
    whole = production.build_seconds + production.up_seconds
    kept = "all layers new" if not re.search("Using cache|CACHED", production.build_output.split("RUN cmake")[0]) else \
        "compiled anew, packages from the cache" if "Building CXX object" in production.build_output else \
        "compiled by an earlier build"
    with capsys.disabled():
        print(f"\nfrom clone to first answer: {whole:.0f} s ({kept}), {production.up_seconds:.1f} s of it after the build")
    assert "RUN cmake" in production.build_output


def test_images(production):
    """Small, without a shell, with sample CVs, certificates and the libraries alone; as nobody in particular."""
    for name in ("query", "health"):
        found = image(production, name)
        print(f"{name}: {found['Size'] / 1e6:.1f} MB")
        assert found["Size"] <= 40 * MIB
        config = found["Config"]
        assert config["User"] == "10001:10001"
        assert config["Healthcheck"]["Test"] == ["CMD", f"/usr/bin/cv-{name}", "healthcheck"]
        assert config["Labels"]["org.opencontainers.image.version"] == production.project
        made = docker("create", f"{IMAGES}/{name}:{production.project}")
        docker("export", "-o", production.folder / "image.tar", made)
        docker("rm", made)
        with tarfile.open(production.folder / "image.tar") as archive:
            files = {one.name: one for one in archive.getmembers() if one.isfile() and one.size}
            programs = {path for path, one in files.items() if one.mode & 0o111 and "/lib" not in path}
            assert programs == {"usr/bin/cv-query", "usr/bin/cv-health"}
            assert "etc/ssl/certs/ca-certificates.crt" in files and "usr/share/cv-backend/data/cvs/ramin.json" in files
            assert archive.getmember("var/lib/cv-backend").uid == 10001
            assert not [path for path, one in files.items() if one.mode & 0o6022], "set-uid, or others may write"
            for program in programs & set(files):
                assert b"/src/" not in archive.extractfile(program).read(), "the build's folder is in the program"
    proxy = image(production, "proxy")
    print(f"proxy: {proxy['Size'] / 1e6:.0f} MB")
    assert proxy["Config"]["User"] == "10002:10002" and proxy["Config"]["StopSignal"] == "SIGQUIT"


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
    assert after["query-a"] == after["query-b"] == image(production, "query", "next")["Id"]
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


def test_behind_something_that_terminates_tls(production):
    """With the settings of README's block, on a machine whose port 443 another one has."""
    text = (ROOT / "deploy/docker/README.md").read_text("utf-8")
    settings = dict(line.split("=", 1) for line in re.search(r"```ini\n(.*?)```", text, re.S)[1].splitlines())
    front = docker("run", "-d", "-p", "443:443", "debian:bookworm-slim", "sleep", "600")
    try:
        production.run_compose("up", "-d", "--no-build", **settings)
        by_tls = ("-o", "/dev/null", "-w", "%{http_code}", "-H", f"Host: {HOST}", "-H", "X-Forwarded-Proto: https")
        url = f"http://127.0.0.1:{settings['HTTP_PORT']}{TARGET}"
        wait_until(lambda: production.curl(*by_tls, url, code=None) == "200", 60, step=0.2)
        ports = production.inspect("proxy")["NetworkSettings"]["Ports"]
        assert {one["HostIp"] for bound in ports.values() for one in bound or ()} == {"127.0.0.1"}
        report = "http://127.0.0.1:8001/health"
        wait_until(lambda: json.loads(production.curl(report))["checks"]["proxy"]["status"] == "ok", 15, step=0.2)
    finally:
        docker("rm", "--force", front)
        production.down()


def test_the_same_programs_again(production):
    """Built once more, later and in another folder: the same bytes. The packages are those of the first build."""
    text = (production.folder / "deploy/docker/Dockerfile").read_text("utf-8")
    other = text.replace("WORKDIR /src\nCOPY CMakeLists", "WORKDIR /some/where/else\nCOPY CMakeLists") \
        .replace("-ffile-prefix-map=/src=.", "-ffile-prefix-map=/some/where/else=.")
    assert other.count("/some/where/else") == 2
    (production.folder / "deploy/docker/Dockerfile.other").write_text(other, "utf-8")
    said = docker("build", "-f", production.folder / "deploy/docker/Dockerfile.other", "--target", "query", "-t",
                  f"{IMAGES}/query:other", production.folder, timeout=900)
    assert "Building CXX object" in said, "a layer of the first build is no second one"
    assert programs_of(production, "other") == programs_of(production, production.project)


def programs_of(production, tag):
    """The SHA-256 of both programs in an image."""
    made = docker("create", f"{IMAGES}/query:{tag}")
    found = {}
    for name in ("cv-query", "cv-health"):
        docker("cp", f"{made}:/usr/bin/{name}", production.folder / "program")
        found[name] = hashlib.sha256((production.folder / "program").read_bytes()).hexdigest()
    docker("rm", made)
    return found


def test_development(production):
    """The development file alone: the page by TLS with a certificate of its own making, the service and the sidecar."""
    compose = [production.compose[0], *production.compose[1:-2], "-p", f"{production.project}dev"]
    env = {**production.environment, "COMPOSE_FILE": "docker-compose.yml"}
    try:
        finish([*compose, "up", "-d", "--build"], cwd=production.folder, env=env, timeout=300)
        listed = "https://localhost:8443/api/v1/cvs/"
        wait_until(lambda: production.curl("-k", listed, code=None) == '{"cvs":["mahsa","ramin"]}', 30)
        assert "<html" in production.curl("-k", "https://localhost:8443/")
        assert production.curl("http://127.0.0.1:8000/readyz") == "ok\n"
    finally:
        finish([*compose, "down", "--volumes", "--rmi", "local"], cwd=production.folder, env=env)


def test_one_container_for_platforms(production):
    """Everything in one container, as whatever user a platform picks, on its PORT, behind its TLS."""
    docker("build", "-q", "-f", production.folder / "deploy/docker/Dockerfile", "-t", f"{IMAGES}/all:all",
           production.folder, timeout=300)
    settings = {"PORT": "9999", "TLS_CERTIFICATE": "off", "TLS_CERTIFICATE_KEY": "off", "ALLOWED_HOSTS": HOST,
                "SECRET_KEY": production.settings["SECRET_KEY"], "FORWARDED_ALLOW_IPS": "unix,0.0.0.0/0"}
    flags = [part for name, value in settings.items() for part in ("-e", f"{name}={value}")]
    container = docker("run", "-d", "--read-only", "--tmpfs", "/tmp", "--user", "12345:0", "--cap-drop", "ALL",
                       "-p", "127.0.0.1:9999:9999", *flags, f"{IMAGES}/all:all")
    try:
        url = f"http://{HOST}:9999"
        by_tls = ("-H", "X-Forwarded-Proto: https")
        wait_until(lambda: production.curl(*by_tls, f"{url}{TARGET}", code=None).startswith('{"basics"'), 30)
        assert "<html" in production.curl(*by_tls, f"{url}/")
        assert "301" in production.curl("-I", f"{url}/").splitlines()[0]
        docker("stop", "-t", "30", container)
        assert json.loads(docker("inspect", container))[0]["State"]["ExitCode"] == 0
    except BaseException:
        print(finish(["docker", "logs", container]))
        raise
    finally:
        docker("rm", "--force", container)
