"""scripts/security.sh finds what is planted, and nothing in the tree and the programs as they are."""
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from linters import SCHEMAS, installed
from service import COUNTED, PROGRAM, ROOT, SANITIZED

SECURITY = ROOT / "scripts/security.sh"
# Put together here, so that this file holds none.
SECRETS = {
    "private key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "AWS access key": "id = AKIA" + "QX7ZP4LMN2RSTUVW",
    "GitHub token": "gh" + "p_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "password in a URL": "DATABASE_URL=postgres" + "://cv:" + "hunter2hunter2@db.example.org/cv",
    "JSON web token": "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "looks random": "SECRET_" + "KEY=" + "q7Yt0PzKx3LmVw9RbN5sHd2JfGc8Aa4Ee6Uu1Ii",
}
release_only = pytest.mark.skipif(SANITIZED or COUNTED, reason="not the build that is shipped")


def security(*arguments, **settings):
    """Runs the script; also gives what it printed."""
    return subprocess.run([SECURITY, *map(str, arguments)], env={**os.environ, **settings}, capture_output=True,
                          text=True, timeout=120, check=False)


def git(clone, *arguments):
    """A command in a clone, by an author that nobody has set."""
    names = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", clone, *names, *arguments], check=True, capture_output=True)


def add_and_remove(clone, name, text):
    """A file that one commit brings and the next takes away."""
    (clone / name).parent.mkdir(exist_ok=True)
    (clone / name).write_text(text + "\n")
    git(clone, "add", ".")
    git(clone, "commit", "-q", "-m", "oops")
    git(clone, "rm", "-q", name)
    git(clone, "commit", "-q", "-m", "as if nothing had been")


@pytest.fixture(name="clone")
def make_clone(tmp_path):
    """A clone with one harmless commit."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "notes.md").write_text(
        "SECRET_KEY=\nsecret_key = make-one-with-openssl-rand\ntoken: ${{ secrets.TOKEN }}\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "notes")
    return tmp_path


def test_this_tree_holds_no_secret():
    """Neither its files nor its history."""
    done = security("--report", "secrets")
    assert done.returncode == 0, done.stderr
    assert "no secret in the tree" in done.stdout


def test_a_clone_without_secrets(clone):
    """Words about secrets, placeholders and references are none."""
    done = security("--tree", clone, "secrets")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_in_the_tree(clone, kind):
    """Not committed yet; the place is told, never the secret."""
    (clone / "config.txt").write_text(f"one line\n{SECRETS[kind]}\n")
    done = security("--tree", clone, "secrets")
    assert done.returncode == 1 and "config.txt:2: " in done.stderr and kind in done.stderr
    assert SECRETS[kind][-12:] not in done.stdout + done.stderr


def test_a_secret_that_was_removed(clone):
    """It stays in the history, on whatever branch."""
    git(clone, "switch", "-q", "-c", "old")
    add_and_remove(clone, "config.txt", SECRETS["GitHub token"])
    git(clone, "switch", "-q", "main")
    done = security("--tree", clone, "secrets")
    assert done.returncode == 1 and "commit " in done.stderr and "config.txt: GitHub token" in done.stderr


def test_a_secret_in_a_merge(clone):
    """Neither side has it."""
    git(clone, "switch", "-q", "-c", "side")
    git(clone, "commit", "-q", "--allow-empty", "-m", "side")
    git(clone, "switch", "-q", "main")
    git(clone, "merge", "-q", "--no-ff", "--no-commit", "side")
    add_and_remove(clone, "config.txt", SECRETS["GitHub token"])  # its first commit is the merge
    done = security("--tree", clone, "secrets")
    assert done.returncode == 1 and "config.txt: GitHub token" in done.stderr


def test_what_a_commit_takes_away(clone):
    """Is not what its message says: what tests may hold may go again. A message stays one, whatever it looks like."""
    add_and_remove(clone, "tests/made_up.py", SECRETS["looks random"])
    done = security("--tree", clone, "secrets")
    assert done.returncode == 0, done.stderr
    add_and_remove(clone, "conf.py", "++ tests/x\n" + SECRETS["looks random"])  # no header of a test's
    assert "conf.py: value that looks random" in security("--tree", clone, "secrets").stderr
    git(clone, "commit", "-q", "--allow-empty", "-m", "x\n\ndiff --git a b\n" + SECRETS["AWS access key"])
    done = security("--tree", clone, "secrets")
    assert done.returncode == 1 and "its message: AWS access key" in done.stderr


def test_a_secret_in_a_commit_message(clone):
    """Those are public as well."""
    git(clone, "commit", "-q", "--allow-empty", "-m", "x\n\n" + SECRETS["AWS access key"])
    done = security("--tree", clone, "secrets")
    assert done.returncode == 1 and "its message: AWS access key" in done.stderr


def test_part_of_a_history(clone, tmp_path_factory):
    """A shallow clone is no proof: said, and an exit code of its own, but for a report."""
    git(clone, "commit", "-q", "--allow-empty", "-m", "more")
    shallow = tmp_path_factory.mktemp("shallow")
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{clone}", shallow], check=True)
    assert security("--tree", shallow, "secrets").returncode == 69
    done = security("--report", "--tree", shallow, "secrets")
    assert done.returncode == 0 and "only part of the history" in done.stderr


@release_only
def test_our_programs_are_hardened():
    """As shipped."""
    done = security("--bin", PROGRAM.parent, "hardening")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flags, lack", [
    (["-no-pie"], "position-independent"),
    (["-Wl,-z,norelro"], "RELRO"),
    (["-Wl,-z,lazy"], "RELRO"),
    (["-z", "execstack"], "stack that is not executable"),
    (["-fno-stack-protector"], "stack protector"),
    (["-U_FORTIFY_SOURCE"], "fortified"),
    (["-Wl,-rpath,/tmp"], "RPATH"),
])
def test_an_unhardened_program(tmp_path, flags, lack):
    """Each lack is named; the same program without the flag passes."""
    source = tmp_path / "program.cpp"
    source.write_text("#include <cstdio>\n#include <cstring>\nint main(int, char** argv) {\n  char room[64];\n"
                      "  std::strcpy(room, argv[0]);\n  std::puts(room);\n}\n")
    hardened = ["-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong", "-fPIE", "-pie", "-Wl,-z,relro,-z,now"]
    for extra, code in (([], 0), (flags, 1)):
        program = tmp_path / "cv-query"
        subprocess.run(["g++", *hardened, *extra, source, "-o", program], check=True, capture_output=True)
        shutil.copy(program, tmp_path / "cv-health")
        done = security("--bin", tmp_path, "hardening")
        assert done.returncode == code, done.stderr
    assert f"{tmp_path}/cv-query lacks" in done.stderr and lack in done.stderr


def test_programs_that_are_not_there(tmp_path):
    """Nothing to check is not a pass."""
    for part in ("hardening", "sbom", "updates"):
        done = security("--bin", tmp_path, "--sbom", tmp_path / "sbom.json", part)
        assert done.returncode not in (0, 1), part


@release_only
def test_the_bill_of_materials(tmp_path):
    """Valid by CycloneDX's own schema, names what is linked, and twice the same."""
    installed()
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for file in files:
        done = security("--bin", PROGRAM.parent, "--sbom", file, "sbom")
        assert done.returncode == 0, done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    bom = json.loads(files[0].read_text())
    store = {}
    for name in ("bom-1.5", "spdx", "jsf-0.82"):
        schema = json.loads((SCHEMAS / f"{name}.SNAPSHOT.schema.json").read_text())
        store[f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json"] = schema
    schema = store["http://cyclonedx.org/schema/bom-1.5.SNAPSHOT.schema.json"]
    resolver = jsonschema.RefResolver(schema["$id"], schema, store)
    jsonschema.Draft7Validator(schema, resolver=resolver).validate(bom)
    names = {entry["name"]: entry for entry in bom["components"]}
    assert {"cv-query", "cv-health", "libc6", "libssl3", "liblmdb0", "libbrotli1", "libdeflate0"} <= set(names)
    version = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "libssl3"], capture_output=True, text=True,
                             check=True)
    assert names["libssl3"]["version"] == version.stdout
    refs = {entry["bom-ref"] for entry in bom["components"]}
    linked = {one["ref"]: one["dependsOn"] for one in bom["dependencies"]}
    assert refs >= {ref for needs in linked.values() for ref in needs}


@release_only
def test_the_bill_of_the_packages(tmp_path):
    """Names the very files that a package installs, and still the headers that were compiled in."""
    done = subprocess.run([ROOT / "scripts/package.sh", "--out", tmp_path], capture_output=True, text=True, check=False,
                          env={**os.environ, "CV_BIN_DIR": str(PROGRAM.parent)})
    assert done.returncode == 0, done.stdout + done.stderr
    [package] = tmp_path.glob("cv-backend_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "root"], check=True)
    bom = json.loads((tmp_path / "cv-backend.cdx.json").read_text())
    listed = {entry["name"]: entry.get("hashes") for entry in bom["components"]}
    for name in ("cv-query", "cv-health"):
        installed_one = (tmp_path / "root/usr/bin" / name).read_bytes()
        assert listed[name] == [{"alg": "SHA-256", "content": hashlib.sha256(installed_one).hexdigest()}]
        assert installed_one != (PROGRAM.parent / name).read_bytes(), "not stripped: this says nothing"
    assert "libc6" in listed
    if (PROGRAM.parent.parent / ".ninja_deps").exists():
        assert {"libboost1.81-dev", "libcli11-dev"} <= set(listed)


def fake_apt(folder, said, renewed=0):
    """An apt-get whose update of the lists ends so, and that reckons with this upgrade."""
    program = folder / "apt-get"
    program.write_text(f"#!/bin/sh\ncase \"$*\" in *update*) exit {renewed} ;; esac\ncat <<'END'\n{said}\nEND\n")
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_updates(tmp_path):
    """Pending security updates of what we link fail, others do not; --report tells of both without failing."""
    bins = PROGRAM.parent
    pending = "Inst libssl3 [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])"
    path = fake_apt(tmp_path, pending)
    done = security("--bin", bins, "updates", PATH=path)
    assert done.returncode == 1 or (os.geteuid() != 0 and done.returncode == 69), done
    done = security("--report", "--bin", bins, "updates", PATH=path)
    assert done.returncode == 0 and "libssl3 [3.0.1] -> 3.0.2" in done.stderr
    path = fake_apt(tmp_path, "Inst libssl3 [3.0.1] (3.0.2 Debian:12/stable [amd64])")
    done = security("--report", "--bin", bins, "updates", PATH=path)
    assert done.returncode == 0 and "no security update is pending" in done.stdout


def test_updates_without_lists(tmp_path):
    """In a room where apt has no lists: not known, and that is not a pass."""
    path = fake_apt(tmp_path, "", renewed=100)
    empty = tmp_path / "lists"
    empty.mkdir()
    room = ["unshare", "-m", "sh", "-c", 'mount --bind "$1" /var/lib/apt/lists && shift && exec "$@"', "sh", empty]
    command = [*room, SECURITY, "--bin", PROGRAM.parent]
    for more, code in (([], 69), (["--report"], 0)):
        done = subprocess.run([*command, *more, "updates"], env={**os.environ, "PATH": path}, capture_output=True,
                              text=True, check=False)
        assert done.returncode == code and "not known" in done.stderr, done
    (empty / "x_security_InRelease").touch()  # as an image's layer has it: new here, whatever its age
    done = subprocess.run([*command, "updates"], env={**os.environ, "PATH": path}, check=False)
    assert done.returncode == 69
    path = fake_apt(tmp_path, "")
    done = subprocess.run([*command, "updates"], env={**os.environ, "PATH": path}, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0 and "no security update is pending" in done.stdout, done


def test_help_names_every_part():
    """And an unknown one is refused."""
    assert shutil.which("readelf") and Path(SECURITY).exists()
    said = security("--help")
    assert said.returncode == 0 and all(part in said.stdout for part in ("updates", "secrets", "hardening", "sbom"))
    assert security("everything").returncode == 64
