"""The images and what is made of them beside production's stack, on a real engine: what is in them, two builds of the
same, behind something that terminates TLS, development, one container for platforms."""
import hashlib
import json
import re
import tarfile

import pytest

from service import ROOT, wait_until
from stack import HOST, IMAGES, TARGET, built, docker, finish

MIB = 1 << 20


@pytest.fixture(scope="module", name="production")
def built_stack(tmp_path_factory):
    """Built from a clean clone, not started."""
    with built(tmp_path_factory) as made:
        yield made


def test_images(production):
    """Small, without a shell, with sample CVs, certificates and the libraries alone; as nobody in particular."""
    for name in ("query", "health"):
        found = production.image(name)
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
    proxy = production.image("proxy")
    print(f"proxy: {proxy['Size'] / 1e6:.0f} MB")
    assert proxy["Config"]["User"] == "10002:10002" and proxy["Config"]["StopSignal"] == "SIGQUIT"


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


def programs_of(production, tag):
    """The SHA-256 of both programs in an image."""
    made = docker("create", f"{IMAGES}/query:{tag}")
    found = {}
    for name in ("cv-query", "cv-health"):
        docker("cp", f"{made}:/usr/bin/{name}", production.folder / "program")
        found[name] = hashlib.sha256((production.folder / "program").read_bytes()).hexdigest()
    docker("rm", made)
    return found


def test_the_same_programs_again(production):
    """Built once more, later and in another folder: the same bytes. The packages are those of the first build."""
    text = (production.folder / "deploy/docker/Dockerfile").read_text("utf-8")
    place = f"/some/where/else/{production.project}" # in none of the layers of an earlier run
    other = text.replace("WORKDIR /src\nCOPY CMakeLists", f"WORKDIR {place}\nCOPY CMakeLists") \
        .replace("-ffile-prefix-map=/src=.", f"-ffile-prefix-map={place}=.")
    assert other.count(place) == 2
    (production.folder / "deploy/docker/Dockerfile.other").write_text(other, "utf-8")
    done = finish(["docker", "build", "-f", production.folder / "deploy/docker/Dockerfile.other", "--target", "query",
                   "-t", f"{IMAGES}/query:other", production.folder], timeout=900)
    assert "Building CXX object" in done.stdout + done.stderr, "a layer of the first build is no second one"
    assert programs_of(production, "other") == programs_of(production, production.project)


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
