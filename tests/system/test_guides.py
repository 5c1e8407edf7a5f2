"""Every shell block of the guides is run as it stands there, in the room that the comment before it names, or says why
not. The blocks of a room are one script, in the order of the guide: what one has started, the next may ask."""
import os
import re
import shlex
import subprocess

import pytest
import yaml

from guides import (Aside, as_root, bare_room, Block, block_with, blocks, blocks_of, clone, COMPOSE, EXAMPLES, guides,
                    MARK, ROOMS, run_blocks, those_of)
from service import COUNTED, PROGRAM, ROOT, SANITIZED
from test_api_examples import PAGE

PLATFORMS = ROOT / "deploy/platforms"
pytestmark = pytest.mark.skipif(SANITIZED or COUNTED, reason="says nothing about an instrumented build")


def test_every_block_is_run_or_says_why():
    """No block without a mark, no mark without a block, no room that nobody makes."""
    found = blocks()
    assert len(found) > 40
    for block in found:
        assert block.room in ROOMS or block.reason, f"{block}: say before it where it is run, or why not"
    marks = sum(len(re.findall(f"^ *{MARK.pattern}$", (ROOT / guide).read_text("utf-8"), re.M)) for guide in guides())
    assert marks == len(found)


def test_every_block_is_seen():
    """Fenced or indented, within a list and after a mark; not those of another language, nor a list's paragraphs."""
    text = ("# A\n\n    one\n\n    two\n\nText\n    no code\n\n- item\n\n  <!-- run: bare -->\n  ```sh\n  three\n"
            "  ```\n\n1. item\n\n    no code\n\nText\n\n```ini\n[no]\n\n    code\n```\n<!-- not run: why -->\n    four\n\n"
            "~~~bash\nfive\n~~~\n```\nsix\n```\n```console\n$ seven\n```\n")
    found = blocks_of("A.md", text)
    assert [(block.text.split(), block.room, block.reason) for block in found] == [
        (["one", "two"], None, None), (["three"], "bare", None), (["four"], None, "why"), (["five"], None, None),
        (["six"], None, None), (["$", "seven"], None, None)]
    assert [block.line for block in found] == [3, 14, 29, 32, 35, 38]
    assert {"README.md", "CONTRIBUTING.md", "deploy/systemd/README.md", "docs/deployment.md"} <= set(guides())
    assert PAGE == ROOT / EXAMPLES


@pytest.mark.parametrize("block", [block for block in blocks() if block.reason], ids=str)
def test_blocks_that_are_not_run(block):
    """Listed, each with its reason; they are shell at least."""
    assert isinstance(block, Block)
    subprocess.run(["bash", "-n", "-c", block.text], check=True, capture_output=True)
    pytest.skip(f"{block} is not run: {block.reason}")


def test_author(tmp_path):
    """What the author of a CV file is shown: the words of the page, for such files."""
    good = '{"basics": [\n  {"fname": "Mina", "lname": "A"}\n]}\n'
    (tmp_path / "mina.json").write_text(good, "utf-8")
    (tmp_path / "mina_de.json").write_text(good.replace('"}\n]', '"},\n]'), "utf-8")
    for block in those_of("author"):
        command, *wanted = block.text.splitlines()
        done = subprocess.run([PROGRAM, *command.removeprefix("$ cv-query ").split()], cwd=tmp_path,
                              capture_output=True, text=True, check=False)
        assert done.stdout.splitlines() == wanted and done.returncode == 1


# What is done between the blocks of the room, behind the one in which the words stand.
LIST = r"find /etc/cv-backend /srv/cv-backend -type d -printf '%p %m %u %g\n' -o -printf '%p %m %u %g %s\n' | sort"
BETWEEN = {
    "setsid /usr/local/sbin/cv-backend &": "started=$!",
    "logrotate --force": """
        [ -s /var/log/cv-backend/access.log.1 ]
        zcat /var/log/cv-backend/start.log.1.gz | grep /api/v1/health/ >/dev/null
        curl -fsS -o /dev/null --cacert /etc/cv-backend/tls/ca.pem https://localhost/api/v1/cvs/?rotated
        until grep -q ^{.*/api/v1/cvs/?rotated /var/log/cv-backend/start.log; do sleep 0.1; done
        [ "$(stat -c %U /var/log/cv-backend/access.log)" = cv-backend ]""",
    "tar -C / -czf": f"{LIST} >/root/before; rm -rf /etc/cv-backend /srv/cv-backend",
    "tar -C / -xpzf": f"{LIST} | diff /root/before - >&2; [ \"$(stat -c %a /root/cv-backend.tar.gz)\" = 600 ]",
    # What certbot would call, with another certificate in its place; then the one of before again.
    'kill -HUP "$(cat work/nginx.pid': """
        mkdir /root/renewed /root/before-it
        cp -p /etc/cv-backend/tls/cert.pem /root/before-it/fullchain.pem
        cp -p /etc/cv-backend/tls/key.pem /root/before-it/privkey.pem
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=localhost -addext \
          subjectAltName=DNS:localhost -keyout /root/renewed/privkey.pem -out /root/renewed/fullchain.pem
        RENEWED_LINEAGE=/root/renewed /usr/local/sbin/cv-backend-renewed
        until curl -fsS --cacert /root/renewed/fullchain.pem https://localhost/api/v1/cvs/ -o /dev/null; do sleep 0.1; done
        [ "$(stat -c '%a %U' /etc/cv-backend/tls/key.pem)" = "400 cv-backend" ]
        RENEWED_LINEAGE=/root/before-it /usr/local/sbin/cv-backend-renewed
        until curl -fsS --cacert /etc/cv-backend/tls/ca.pem https://localhost/api/v1/cvs/ -o /dev/null; do sleep 0.1; done""",
    "docker compose kill -s HUP proxy": """
        mkdir -p /opt/cv-backend/tls /root/stand-in
        printf '#!/bin/sh\\necho "$PWD: $*" >/root/stand-in/said\\n' >/root/stand-in/docker
        chmod +x /root/stand-in/docker
        PATH=/root/stand-in:$PATH RENEWED_LINEAGE=/root/renewed /usr/local/sbin/cv-backend-renewed
        [ "$(cat /root/stand-in/said)" = "/opt/cv-backend: compose kill -s HUP proxy" ]
        [ "$(stat -c '%a %u' /opt/cv-backend/tls/privkey.pem)" = "400 10002" ]
        cmp /root/renewed/fullchain.pem /opt/cv-backend/tls/fullchain.pem""",
}


@as_root
def test_by_hand(tmp_path):
    """From the settings to backup and restore, in a room of its own; then what a boot forgets is taken away."""
    subprocess.run(["bash", "-c", ". scripts/lib/packages.sh; need_packages logrotate"], cwd=ROOT, check=True)
    chosen = those_of("bare")
    for words, text in BETWEEN.items():
        chosen.insert(chosen.index(next(block for block in chosen if words in block.text)) + 1, Aside(words, text))
    at_boot = re.search(r"'cv:2345:respawn:(\S+)'", block_with("/etc/inittab").text)[1]
    chosen.append(Aside("boot", f"""
        kill "$started"; wait "$started" || true
        rm -rf /run/cv-backend
        sysctl -q -w net.ipv4.ip_unprivileged_port_start=1024
        {at_boot} &
        until curl -fsS --cacert /etc/cv-backend/tls/ca.pem https://localhost/api/v1/cvs/ramin/; do sleep 1; done
        kill -0 "$(cat /run/cv-backend/query-0/pid)" """))
    with bare_room(tmp_path) as command:
        said = run_blocks(chosen, command, 300)
    assert "healthy" in said


def test_either_form_of_compose(tmp_path):
    """A block that says docker-compose is run by docker compose where that is what there is, and by itself elsewhere."""
    for name in ("docker", "docker-compose"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} \"$@\"\n")
        (tmp_path / name).chmod(0o755)
        done = subprocess.run(["/bin/bash", "-ec", COMPOSE + "docker-compose ps 'a b'"], env={"PATH": str(tmp_path)},
                              capture_output=True, text=True, check=True)
        assert done.stdout == {"docker": "docker compose ps a b\n"}.get(name, "docker-compose ps a b\n")


def test_packages_named_by_hand():
    """The list of the guide is that of the scripts."""
    text = "".join(block.text for block in blocks() if "apt-get install -y --no-install-recommends nginx" in block.text)
    named = set(re.sub(r"\\\n", " ", text).split("recommends ")[1].split()) - {"curl", "logrotate"}
    listed = subprocess.run(["bash", "-c", '. scripts/lib/packages.sh; echo "${proxy_packages[@]}"'], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    assert named == set(listed)


def settings_of(name):
    """What a platform's file sets; the same for all of them."""
    if name.endswith(".env"):
        lines = (PLATFORMS / name).read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    app = yaml.safe_load((PLATFORMS / name).read_text("utf-8"))
    return {one["key"]: one["value"] for one in app["services"][0]["envs"]}


def test_platforms_agree():
    """One set of settings, one Dockerfile that is there, one path that is asked."""
    wanted = settings_of("platform.env")
    assert wanted.items() <= settings_of("digitalocean-app.yaml").items()
    railway = yaml.safe_load((PLATFORMS / "railway.json").read_text("utf-8"))
    heroku = yaml.safe_load((PLATFORMS / "heroku.yml").read_text("utf-8"))
    app = yaml.safe_load((PLATFORMS / "digitalocean-app.yaml").read_text("utf-8"))["services"][0]
    for path in (railway["build"]["dockerfilePath"], heroku["build"]["docker"]["web"], app["dockerfile_path"]):
        stages = re.findall(r"^FROM \S+ AS (\w+)", (ROOT / path).read_text("utf-8"), re.M)
        assert stages[-1] == "all"
    assert railway["deploy"]["healthcheckPath"] == app["health_check"]["http_path"] == "/api/v1/health/"
    droplet = yaml.safe_load((PLATFORMS / "digitalocean-droplet.yaml").read_text("utf-8"))
    script = droplet["write_files"][0]
    assert droplet["runcmd"] == [[script["path"]]]
    checked = subprocess.run(["shellcheck", "-"], input=script["content"], text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout


def ask_platform(block, folder):
    """Runs a block for a platform in a clone, with programs that write down what they are asked; these calls, and what
    came by the standard input of the last one that reads it."""
    place = clone(folder)
    programs = folder / "bin"
    programs.mkdir()
    for name in ("doctl", "git", "heroku", "railway"):
        program = programs / name
        program.write_text("#!/bin/bash\n{ printf '%s\\0' \"${0##*/}\" \"$@\"; echo; } >>\"$CALLS\"\n"
                           "[[ \" $* \" != *\" - \"* ]] || cat >\"$CALLS.input\"\n", "utf-8")
        program.chmod(0o755)
    calls = folder / "calls"
    subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], cwd=place, check=True, capture_output=True,
                   env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(calls)})
    given = folder / "calls.input"
    return ([line.rstrip("\0").split("\0") for line in calls.read_text("utf-8").splitlines()],
            given.read_text("utf-8") if given.exists() else "")


def from_railway(calls, _):
    """The variables, which the service must have before it is first deployed."""
    assert [call[1] for call in calls] == ["init", "add", "up", "domain"]
    add = calls[1]
    assert add[2:4] == ["--service", "web"] and set(add[4::2]) == {"--variables"}
    return dict(one.split("=", 1) for one in add[5::2])


def from_heroku(calls, _):
    """The settings, which the app must have before the push."""
    assert [call[:2] for call in calls] == [["git", "add"], ["git", "commit"], ["heroku", "create"],
                                            ["heroku", "config:set"], ["git", "push"]]
    return dict(one.split("=", 1) for one in calls[3][2:])


def from_digitalocean(calls, given):
    """The environment of the app as it is sent."""
    assert calls == [["doctl", "apps", "create", "--spec", "-", "--wait"]]
    return {one["key"]: one["value"] for one in yaml.safe_load(given)["services"][0]["envs"]}


def taken(settings):
    """Whether the program starts with these settings and no others; its exit code."""
    return subprocess.run([PROGRAM, "config"], env=settings, capture_output=True, check=False).returncode


@pytest.mark.parametrize("words, read", [("railway up", from_railway), ("heroku create", from_heroku),
                                         ("doctl apps create", from_digitalocean)])
def test_first_deployment_on_a_platform(words, read, tmp_path):
    """What the guide sends there starts: the platform's settings, a name, and a key of its own."""
    settings = read(*ask_platform(block_with(words), tmp_path))
    assert settings_of("platform.env").items() <= settings.items() and settings["ALLOWED_HOSTS"]
    assert taken({"PORT": "5000", **settings}) == 0


def test_the_app_spec_has_no_key():
    """As it lies in the repository, where everybody may read it, nothing starts with it."""
    settings = settings_of("digitalocean-app.yaml")
    assert taken(settings) == 78 and taken({**settings, "SECRET_KEY": "0123456789" * 5}) == 0


def test_the_env_file_of_the_guides(tmp_path):
    """Nobody else may read it, and one that is there is not written over; it names the compose file, and so no command
    does: that would leave out others which it names."""
    script = re.match(r"\(umask .*?>\.env\)\n", block_with(">.env)").text, re.S)[0]
    command = ["bash", "-c", f"umask 022; {script}"]
    subprocess.run(command, cwd=tmp_path, check=True)
    made = (tmp_path / ".env").read_text("utf-8")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600 and "COMPOSE_FILE=docker-compose.prod.yml\n" in made
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0
    assert (tmp_path / ".env").read_text("utf-8") == made
    droplet = yaml.safe_load((PLATFORMS / "digitalocean-droplet.yaml").read_text("utf-8"))["write_files"][0]["content"]
    assert "COMPOSE_FILE=docker-compose.prod.yml" in droplet
    for text in (droplet, *(block.text for block in blocks())):
        assert not re.search(r"docker[- ]compose .*-f ", text), text


@as_root
def test_behind_a_platform(tmp_path):
    """With a platform's settings: plain HTTP on PORT, https as the router says; else, or from elsewhere, a redirect."""
    text = "\n".join([
        *(f"export {name}={shlex.quote(value)}" for name, value in settings_of("platform.env").items()),
        "export PORT=5000 ALLOWED_HOSTS=my-cvs.example.com CV_DATA_DIR=$PWD/data SECRET_KEY=$(openssl rand -base64 48)",
        "scripts/start.sh >/root/out 2>&1 &",
        "ask() { curl -sS -o /dev/null -w '%{http_code} %{redirect_url}\\n' -H 'Host: my-cvs.example.com' \"$@\"; }",
        "until ask http://127.0.0.1:5000/api/v1/health/ 2>/dev/null | grep -q ^200; do sleep 0.2; done",
        "ask -H 'X-Forwarded-Proto: https' -H 'X-Forwarded-For: 198.51.100.7' http://127.0.0.1:5000/api/v1/cvs/",
        "ask http://127.0.0.1:5000/api/v1/cvs/",
        "ip addr add 198.51.100.9/32 dev lo # an address of the internet",
        "ask --interface 198.51.100.9 -H 'X-Forwarded-Proto: https' http://127.0.0.1:5000/api/v1/cvs/",
        "",
    ])
    with bare_room(tmp_path) as command:
        said = run_blocks([Aside("platform", text)], command, 120).splitlines()[-3:]
    redirect = "301 https://my-cvs.example.com/api/v1/cvs/"
    assert said == ["200 ", redirect, redirect]
