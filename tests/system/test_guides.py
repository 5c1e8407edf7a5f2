"""Every shell block of the guides is run as it stands there, in the room that the comment before it names, or says why
not. The blocks of a room are one script, in the order of the guide: what one has started, the next may ask."""
import re
import shlex
import subprocess

import pytest
import yaml

from guides import as_root, bare_room, Block, blocks, COMPOSE, GUIDES, MARK, ROOMS, run_blocks, those_of
from service import COUNTED, ROOT, SANITIZED

PLATFORMS = ROOT / "deploy/platforms"
pytestmark = pytest.mark.skipif(SANITIZED or COUNTED, reason="says nothing about an instrumented build")


def test_every_block_is_run_or_says_why():
    """No block without a mark, no mark without a block, no room that nobody makes."""
    found = list(blocks())
    assert len(found) > 20
    for block in found:
        assert block.room in ROOMS or block.reason, f"{block}: say before it where it is run, or why not"
    marks = sum(len(MARK.findall((ROOT / guide).read_text("utf-8"))) for guide in GUIDES)
    assert marks == len(found)


@pytest.mark.parametrize("block", [block for block in blocks() if block.reason], ids=str)
def test_blocks_that_are_not_run(block):
    """Listed, each with its reason; they are shell at least."""
    assert isinstance(block, Block)
    subprocess.run(["bash", "-n", "-c", block.text], check=True, capture_output=True)
    pytest.skip(f"{block} is not run: {block.reason}")


@as_root
def test_by_hand(tmp_path):
    """From the settings to backup and restore, in a room of its own."""
    with bare_room(tmp_path) as command:
        said = run_blocks(those_of("bare"), command, 300)
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
    named = set(re.sub(r"\\\n", " ", text).split("recommends ")[1].split()) - {"curl"}
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
    block = next(blocks())
    block.text = text
    with bare_room(tmp_path) as command:
        said = run_blocks([block], command, 120).splitlines()[-3:]
    redirect = "301 https://my-cvs.example.com/api/v1/cvs/"
    assert said == ["200 ", redirect, redirect]
