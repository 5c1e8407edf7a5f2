"""The Kubernetes manifests: what names another thing finds it, settings are known ones, and kustomize takes the whole.
scripts/lint.sh holds each manifest against the published schemas."""
import re
import shutil
import subprocess

import pytest
import yaml

from guides import block_with
from service import ROOT

FOLDER = ROOT / "deploy/kubernetes"
BASE = FOLDER / "base"
OVERLAYS = sorted(path for path in (FOLDER / "overlays").iterdir() if path.is_dir())
SETTINGS = {line.split("=")[0] for line in (ROOT / ".env.example").read_text("utf-8").splitlines()
            if "=" in line and line[0] != "#"}


def load(path):
    """A YAML file."""
    return yaml.safe_load(path.read_text("utf-8"))


def read_settings(path):
    """NAME=VALUE lines."""
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


@pytest.fixture(name="pod")
def pod_spec():
    """What the deployment says of its pods."""
    return load(BASE / "deployment.yaml")["spec"]["template"]["spec"]


def test_references():
    """Each file that a kustomization names is there and each that is there is named; generated names are used."""
    for folder in [BASE, *OVERLAYS]:
        made = load(folder / "kustomization.yaml")
        named = made["resources"] + [one["path"] for one in made.get("patches", [])]
        assert all((folder / name).exists() for name in named)
        here = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert here == {name for name in named if name.endswith(".yaml")}
        for one in made.get("configMapGenerator", []):
            for name in one["envs"]:
                assert set(read_settings(folder / name)) <= SETTINGS - {"SECRET_KEY"}
    overlays = [load(folder / "kustomization.yaml") for folder in OVERLAYS]
    names = {kind: {one["name"] for made in [load(BASE / "kustomization.yaml"), *overlays] for one in made.get(kind, [])}
             for kind in ("configMapGenerator", "secretGenerator")}
    assert names == {"configMapGenerator": {"cv-backend"}, "secretGenerator": {"cv-backend"}}
    for made in overlays:
        pod = load(BASE / "deployment.yaml")["spec"]["template"]["spec"]
        images = {container["image"] for container in pod["containers"]}
        assert {one["name"] for one in made["images"]} == images


def test_the_pod(pod):
    """Three containers: ports, volumes, sources of settings and sockets that belong together; confined alike."""
    assert [one["name"] for one in pod["containers"]] == ["query", "health", "proxy"]
    ports = {port["name"]: port["containerPort"] for one in pod["containers"] for port in one["ports"]}
    volumes = {one["name"] for one in pod["volumes"]}
    for one in pod["containers"]:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            for kind in ("httpGet", "tcpSocket"):
                port = one.get(probe, {}).get(kind, {}).get("port")
                assert port is None or port in {own["name"] for own in one["ports"]}
        assert one["livenessProbe"] and one["readinessProbe"] and one["lifecycle"]["preStop"]
        assert one["resources"]["requests"] and one["resources"]["limits"]["memory"]
        assert {mount["name"] for mount in one["volumeMounts"]} <= volumes
        assert {name for source in one["envFrom"] for kind in source.values() for name in kind.values()} == {"cv-backend"}
        context = one["securityContext"]
        assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
        assert context["capabilities"] == {"drop": ["ALL"]} and context["runAsUser"] > 10000
        assert {name for name in (each["name"] for each in one["env"])} <= SETTINGS | {"PROXY_DIR", "PROXY_WORK"}
    assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
    values = {one["name"]: {each["name"]: each["value"] for each in one["env"]} for one in pod["containers"]}
    assert values["proxy"]["PROXY_UPSTREAM"] in values["query"]["BIND"].split(",")
    assert f":{ports['health']}" in values["health"]["SIDECAR_BIND"]
    settings = read_settings(BASE / "settings.env")
    assert settings["HTTP_PORT"] == str(ports["http"]) and settings["PROXY_URL"].endswith(f":{ports['http']}")
    stops = {one["name"]: one["lifecycle"]["preStop"]["sleep"]["seconds"] for one in pod["containers"]}
    patience = pod["terminationGracePeriodSeconds"] - 30  # GRACEFUL_TIMEOUT
    assert stops["proxy"] < stops["query"] < patience


def test_selectors_and_ports(pod):
    """Service, network policy and disruption budget mean these pods and these ports."""
    labels = load(BASE / "deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for one in pod["containers"] for port in one["ports"]}
    service = load(BASE / "service.yaml")["spec"]
    policy = load(BASE / "networkpolicy.yaml")["spec"]
    assert service["selector"] == policy["podSelector"]["matchLabels"] == labels
    assert load(BASE / "poddisruptionbudget.yaml")["spec"]["selector"]["matchLabels"] == labels
    assert {one["targetPort"] for one in service["ports"]} == {"http"}
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {ports["http"], ports["health"]}
    assert policy["egress"] == []


def test_overlay_of_the_guide(tmp_path):
    """What the guide makes of the example has none of its names left, and a secret that nobody else may read."""
    shutil.copytree(FOLDER, tmp_path / "deploy/kubernetes")
    mine = "registry=hub.test/cvs tag=2.3.4 name=cvs.test contact=mailto:me@cvs.test"
    script, count = re.subn(r"\Aregistry=.*", mine, block_with('cp -r deploy/kubernetes/overlays/production').text)
    assert count == 1
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, check=True)
    overlay = tmp_path / "deploy/kubernetes/overlays/mine"
    for path in overlay.iterdir():
        assert "example" not in re.sub("^#.*", "", path.read_text("utf-8"), flags=re.M), path.name
    images = {(one["newName"], one["newTag"]) for one in load(overlay / "kustomization.yaml")["images"]}
    assert images == {(f"hub.test/cvs/{name}", "2.3.4") for name in ("query", "health", "proxy")}
    [rule], [tls] = (load(overlay / "ingress.yaml")["spec"][part] for part in ("rules", "tls"))
    assert rule["host"] == tls["hosts"][0] == read_settings(overlay / "settings.env")["ALLOWED_HOSTS"] == "cvs.test"
    assert f"secret tls {tls['secretName']} " in block_with("kubectl apply").text
    assert len(read_settings(overlay / "secret.env")["SECRET_KEY"]) >= 50
    assert (overlay / "secret.env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_kustomize(overlay, tmp_path):
    """Where kustomize is, it builds the overlay, with a secret of its own and the names put in everywhere."""
    command = [shutil.which("kustomize"), "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    can = shutil.which(command[0]) and subprocess.run([*command, "--help"], capture_output=True, text=True, check=False)
    if not can or "--load-restrictor" not in can.stdout: # older ones know half of what stands there
        pytest.skip("neither kustomize 4 nor kubectl 1.21 is here")
    shutil.copytree(FOLDER, tmp_path / "kubernetes")
    place = tmp_path / "kubernetes" / overlay.relative_to(FOLDER)
    (place / "secret.env").write_text(f"SECRET_KEY={'0123456789' * 5}\n", "utf-8")
    built = subprocess.run([*command, place], capture_output=True, text=True, check=False, timeout=60)
    assert built.returncode == 0, built.stderr
    kinds = {one["kind"]: one for one in yaml.safe_load_all(built.stdout)}
    assert {"Deployment", "Service", "ConfigMap", "Secret", "NetworkPolicy", "PodDisruptionBudget", "Ingress"} <= set(kinds)
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    for one in pod["containers"]:
        assert one["image"].startswith("registry.example.org/")
        assert [list(source.values())[0]["name"] for source in one["envFrom"]] == [
            kinds["ConfigMap"]["metadata"]["name"], kinds["Secret"]["metadata"]["name"]]
    assert kinds["ConfigMap"]["data"]["ALLOWED_HOSTS"] == kinds["Ingress"]["spec"]["rules"][0]["host"]
