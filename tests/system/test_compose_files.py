"""The compose files, without an engine: all settings reach the programs, nothing is open that need not be, and nothing
stands there that docker-compose 1.29 does not know. tests/system/test_docker.py starts them."""
import re
import shutil
import subprocess

import pytest
import yaml

from service import ROOT

PRODUCTION = ROOT / "docker-compose.prod.yml"
EXAMPLE = (ROOT / ".env.example").read_text("utf-8")
# The compose file says these itself: where things lie and listen in its containers; or nobody does.
OWN = {"CV_DATA_DIR", "CV_STATE_DIR", "CV_RUN_DIR", "BIND", "PORT", "ACCESS_LOG", "ERROR_LOG", "PROXY_UPSTREAM",
       "PROXY_URL", "SIDECAR_BIND"}
NOT_SETTINGS = {"SITE_DIR", "PROXY_DIR", "PROXY_WORK", "DEPLOY_CHECK"}


@pytest.fixture(name="services", scope="module")
def services_of_production():
    """The services by name, merges done."""
    return yaml.safe_load(PRODUCTION.read_text("utf-8"))["services"]


def test_settings(services):
    """Each setting of .env.example is passed on to all of our services, under its name and no other."""
    settings = set(re.findall(r"^([A-Z][A-Z0-9_]*)=", EXAMPLE, re.M))
    for name in ("query-a", "query-b", "health", "proxy"):
        given = set(services[name]["environment"])
        assert settings - OWN <= given <= settings | NOT_SETTINGS, name
        assert "${SECRET_KEY:?" in services[name]["environment"]["SECRET_KEY"]


def test_confinement(services):
    """Each has a root that cannot be written, no capability, limits, and ports that are meant to be open alone."""
    for name, one in services.items():
        assert one["read_only"] and one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"] and one["mem_limit"] and one["pids_limit"], name
        assert one["restart"] == "unless-stopped" and one["logging"]["options"]["max-size"], name
        outside = [port for port in one.get("ports", []) if not port.startswith("127.0.0.1:")]
        assert bool(outside) == (name == "proxy"), name
    assert services["query-a"]["network_mode"] == services["query-b"]["network_mode"] == "none"
    a, b = ({mount.split(":")[1]: mount.split(":")[0] for mount in services[name]["volumes"]}
            for name in ("query-a", "query-b"))
    assert a["/run/cv-backend"] == b["/run/cv-backend"]
    assert a["/var/lib/cv-backend"] != b["/var/lib/cv-backend"], "a catalogue belongs to one instance"


@pytest.mark.parametrize("path", sorted(ROOT.glob("docker-compose*.yml")) + [ROOT / "deploy/docker/secrets.yml"],
                         ids=lambda path: path.name)
def test_both_versions(path):
    """No default within a default, no ${A:+b}, no word that one of the two versions rejects."""
    text = path.read_text("utf-8")
    assert not re.search(r"\$\{\w+:?[-+?][^}]*\$\{", text) and not re.search(r"\$\{\w+:?\+", text)
    made = yaml.safe_load(text)
    assert "version" not in made and "name" not in made and "include" not in made
    for one in made["services"].values():
        assert not {"develop", "attach", "annotations", "cgroup", "uts", "gpus", "post_start", "deploy"} & set(one)


@pytest.mark.parametrize("path", sorted(ROOT.glob("docker-compose*.yml")), ids=lambda path: path.name)
def test_names_of_images(path):
    """What is built here has a name that no account of Docker Hub can own: a plain `up` may try to pull it first."""
    for name, one in yaml.safe_load(path.read_text("utf-8"))["services"].items():
        if "build" in one:
            registry = re.sub(r"\$\{CV_REGISTRY:-([^}]*)\}", r"\1", one["image"]).split("/")[0]
            assert registry == "localhost", name


def test_monitoring(tmp_path):
    """What the profile's Prometheus reads."""
    for path in (ROOT / "deploy/docker/prometheus.yml", ROOT / "deploy/monitoring/rules.yml"):
        shutil.copy(path, tmp_path)
    done = subprocess.run(["promtool", "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done
