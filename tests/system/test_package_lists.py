"""Each script installs what it calls: its lists, with all that apt would bring along on a fresh Debian 12, hold the
package of every program, Python module and library that it needs. Says nothing about versions."""
import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from service import COUNTED, ROOT, SANITIZED

# Programs that a container of debian:bookworm lacks → the package that has them.
PROGRAMS = {
    "certutil": "libnss3-tools", "chromium": "chromium", "clang++-19": "clang-19", "clang-format-19": "clang-format-19",
    "clang-tidy-19": "clang-tidy-19", "cmake": "cmake", "cppcheck": "cppcheck", "ctest": "cmake", "curl": "curl",
    "dh": "debhelper", "docker-compose": "docker-compose", "dpkg-buildpackage": "dpkg-dev", "envsubst": "gettext-base",
    "esbuild": "esbuild", "g++": "g++", "gcc": "gcc", "gcovr": "gcovr", "git": "git",
    "gpg": "gpg", "ip": "iproute2", "jq": "jq", "lintian": "lintian", "make": "make", "mmdebstrap": "mmdebstrap",
    "nginx": "nginx", "ninja": "ninja-build", "node": "nodejs", "npm": "npm", "openssl": "openssl",
    "pdftotext": "poppler-utils", "pgrep": "procps", "pkill": "procps", "prometheus": "prometheus",
    "promtool": "prometheus", "python3": "python3", "readelf": "binutils", "shellcheck": "shellcheck", "sslscan": "sslscan",
    "systemctl": "systemd", "systemd-analyze": "systemd", "systemd-nspawn": "systemd-container",
    "testssl": "testssl.sh", "wget": "wget", "xz": "xz-utils", "yamllint": "yamllint", "zstd": "zstd",
}
MODULES = {"brotli": "python3-brotli", "fontTools": "python3-fonttools", "jsonschema": "python3-jsonschema",
           "prometheus_client": "python3-prometheus-client", "pytest": "python3-pytest", "yaml": "python3-yaml"}
# What CMake looks for, by its preset; with the tests, unless they are off.
PRESETS = {"release": set(), "tidy": {"clang-19"}, "coverage": set(), "fuzz": {"clang-19", "libclang-rt-19-dev"}}
SCRIPTS = ("build", "coverage", "lint", "package", "security")
# Parts of scripts/test.sh → the lists that it installs for them; the tests that they run.
PARTS = {"release": (("build", "site", "proxy", "test", "browser"), "test_*.py"),
         "docker": ((), "test_*docker.py"), "systemd": ((), "test_*systemd.py")}
# What they name but need not have: docker-compose stands for docker compose where that is not; Prometheus is in an image,
# nginx is the machine's.
NAMED = {"release": {"docker-compose"}, "docker": {"docker-compose", "prometheus"}, "systemd": {"nginx"}}
pytestmark = pytest.mark.skipif(SANITIZED or COUNTED, reason="says nothing about an instrumented build")


def package_list(name):
    """One of scripts/lib/packages.sh."""
    said = subprocess.run(["bash", "-uc", f'. scripts/lib/packages.sh; echo "${{{name}_packages[@]}}"'], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    return said.stdout.split()


@cache
def room():
    """A folder for apt's view of a machine on which nothing is installed."""
    made = tempfile.TemporaryDirectory()
    (Path(made.name) / "status").touch()
    return made


@cache
def fresh(names):
    """All that apt would install of these there, what each Debian has included."""
    place = room().name
    said = subprocess.run(
        ["apt-get", "-s", "-qq", "-o", f"Dir::State::status={place}/status", "-o", f"Dir::Cache={place}", "-o",
         "Debug::NoLocking=1", "install", "--no-install-recommends", *sorted(names)], capture_output=True, text=True,
        check=False)
    assert said.returncode == 0, said.stderr
    return set(re.findall(r"^Inst (\S+)", said.stdout, re.M))


@pytest.fixture(scope="module", name="base")
def what_each_debian_has():
    """The packages of a container of debian:bookworm; needs apt's lists."""
    lists = Path("/var/lib/apt/lists")
    if not any(lists.glob("*_Packages*")) and os.geteuid() == 0:
        subprocess.run(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=60", "update"], check=False)
    if not any(lists.glob("*_Packages*")):
        assert os.environ.get("CI") != "true", "apt has no package lists: run apt-get update"
        pytest.skip("apt has no package lists: run apt-get update")
    told = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    required = {re.search(r"^Package: (\S+)", one, re.M)[1] for one in told.split("\n\n")
                if re.search(r"^(Essential: yes|Priority: required)$", one, re.M)}
    return fresh(frozenset(required | {"apt"}))


def code(path):
    """A script without its comments."""
    return re.sub(r"(?m)(^|\s)#.*", "", path.read_text("utf-8"))


def installed_by(text):
    """The names that the calls of need_packages in a script stand for."""
    names = {"nodejs", "npm"} if re.search(r"\bneed_node\b", text) else set()
    for call in re.findall(r"\bneed_packages ((?:\$\{\w+_packages\[@\]\}|\\\n|[^\n;>|&}])+)", text):
        for word in call.replace("\\\n", " ").split():
            of_list = re.fullmatch(r'"\$\{(\w+)_packages\[@\]\}"', word)
            names |= set(package_list(of_list[1])) if of_list else {word}
    return names


def called_by(path):
    """The packages of what a script or Python file calls, loads and compiles, with those of the files it runs."""
    text = code(path)
    if path.suffix == ".py":
        needs = {PROGRAMS[word] for word in re.findall(r"""["']([\w+.-]+)["']""", text) if word in PROGRAMS}
        modules = re.findall(r"^(?:import|from) (\w+)", text, re.M)
        return needs | {MODULES[word] for word in modules if word in MODULES}
    words = set(re.findall(r"(?:(?<![\w./$-])|(?<=/usr/bin/))[a-z][\w+-]*[\w+](?![\w/=-])", text))
    needs = {PROGRAMS[word] for word in words if word in PROGRAMS}
    for preset in re.findall(r"(?:cmake|configure=\(cmake) --preset (\w+)", text):
        needs |= PRESETS[preset] | set(package_list("build")) - {"curl", "ccache"}
        needs |= set() if "BUILD_TESTING=OFF" in text else {"catch2"}
    for name in re.findall(r"\b((?:scripts/lib|tests/lint)/[\w-]+\.(?:py|sh))\b", text):
        if name != "scripts/lib/packages.sh":
            needs |= called_by(ROOT / name)
    return needs


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_brings_what_it_calls(base, name):
    """By itself, wherever nothing else has been installed."""
    path = ROOT / f"scripts/{name}.sh"
    names = installed_by(code(path))
    assert names, "installs nothing"
    missing = called_by(path) - fresh(frozenset(names)) - base
    assert not missing, f"scripts/{name}.sh calls what it does not install: {sorted(missing)}"


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_tests_brings_what_it_calls(base, part):
    """What the tests name as programs and load as modules; the helpers beside them as well."""
    lists, tests = PARTS[part]
    text = code(ROOT / "scripts/test.sh")
    if lists:
        names = {name for one in lists for name in package_list(one)}
        assert names <= installed_by(text)
    else:
        names = installed_by(text.partition("docker | systemd)")[2].partition(";;")[0])
    system = ROOT / "tests/system"
    files, left = set(), {file for file in system.glob(tests) if file.name != Path(__file__).name}
    while left:
        files |= left
        used = {name for file in left for name in re.findall(r"(?m)^from (\w+) import", code(file))}
        left = {file for name in used if (file := system / f"{name}.py").exists()} - files
    assert {system / "service.py", system / "guides.py"} <= files
    needs = set().union(*(called_by(file) for file in files))
    missing = needs - fresh(frozenset(names)) - base - NAMED[part]
    assert not missing, f"scripts/test.sh --only {part} does not install: {sorted(missing)}"


def test_what_is_missing_is_found(base, tmp_path):
    """A program, a library and a module that no list has."""
    script = tmp_path / "script.sh"
    script.write_text('need_packages "${site_packages[@]}" curl >/dev/null\n# nginx\ncmake --preset tidy\n'
                      "if jq . x | /usr/bin/python3 -c 'git'; then curl x; fi\n")
    names = installed_by(code(script))
    assert names == set(package_list("site")) | {"curl"}
    missing = called_by(script) - fresh(frozenset(names)) - base
    assert {"cmake", "libboost-json1.81-dev", "clang-19", "catch2", "jq", "git"} <= missing
    assert not missing & {"curl", "python3", "nginx"}
    module = tmp_path / "module.py"
    module.write_text("import yaml\n")
    assert called_by(module) == {"python3-yaml"}
