"""The locked files and `cvs/SHA256SUMS`: a mismatch is told loudly, and still served."""
import hashlib
import json
import re

import pytest

from service import run_program, sample_data
from samples import SMALL, cv
from wire import ask


def sums(cvs):
    """The text of SHA256SUMS for these files."""
    return "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in cvs.items()).encode()


def cv_data(service):
    """Status code, overall status and the cv_data check."""
    answer = ask(service, "/api/v1/health/")
    report = answer.json()
    return answer.status, report["status"], report["checks"]["cv_data"]


def test_the_sample_matches(service):
    """The copied sample is as locked."""
    assert cv_data(service)[:2] == (200, "healthy")
    finished = run_program(service.folder, "check", settings=service.settings)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_files_that_are_not_listed_are_normal(start_service):
    """Only listed files are compared."""
    service = start_service(cvs={**SMALL, "SHA256SUMS": sums({"mina.json": SMALL["mina.json"]})})
    status, overall, check = cv_data(service)
    assert (status, overall, check["status"]) == (200, "healthy", "ok")


@pytest.mark.parametrize("name", ["mina.json", "omid_de.json"])
def test_a_mismatch(start_service, name):
    """Told at load, `warn` in the report with the file's name, an error for `check`; still served."""
    service = start_service(cvs={**SMALL, "SHA256SUMS": sums(SMALL)})
    assert cv_data(service)[1] == "healthy"
    (service.data / "cvs" / name).write_bytes(cv("Changed"))
    finished = service.load()
    told = finished.stdout + finished.stderr
    assert any(name in line and re.search("SHA256SUMS|checksum", line) for line in told.splitlines()), told
    status, overall, check = cv_data(service)
    assert (status, overall, check["status"]) == (200, "degraded", "warn")
    assert name in check["message"]
    query = "?lang=de" if "_de" in name else ""
    person = name.partition(".")[0].partition("_")[0]
    answer = ask(service, f"/api/v1/cvs/{person}/{query}")
    assert answer.json()["basics"][0]["fname"] == "Changed"
    checked = run_program(service.folder, "check")
    assert checked.returncode == 1 and name in checked.stdout + checked.stderr


def test_a_mismatch_at_the_start(start_service):
    """A service that starts over a mismatch warns from the start."""
    wrong = {**SMALL, "mina.json": cv("Locked")}
    service = start_service(cvs={**SMALL, "SHA256SUMS": sums(wrong)})
    status, overall, check = cv_data(service)
    assert (status, overall) == (200, "degraded") and "mina.json" in check["message"]


def test_a_listed_file_that_is_gone(start_service):
    """A locked file that is missing does not match either."""
    service = start_service(cvs={**SMALL, "SHA256SUMS": sums({**SMALL, "zoe.json": cv("Zoe")})})
    status, overall, check = cv_data(service)
    assert (status, overall) == (200, "degraded") and "zoe.json" in json.dumps(check)


def test_mended(start_service):
    """The right content again: ok again."""
    service = start_service(cvs={**SMALL, "SHA256SUMS": sums(SMALL)})
    path = service.data / "cvs/mina.json"
    path.write_bytes(cv("Changed"))
    service.load()
    assert cv_data(service)[1] == "degraded"
    path.write_bytes(SMALL["mina.json"])
    assert service.load().returncode == 0
    assert cv_data(service)[1] == "healthy"


def test_the_sample_changed_by_one_byte(tmp_path):
    """A copy of the sample with one byte more is told by `load` and refused by `check`."""
    data = sample_data(tmp_path)
    path = data / "cvs/ramin.json"
    path.write_bytes(path.read_bytes() + b"\n")
    for command in ("load", "check"):
        finished = run_program(tmp_path, command)
        assert "ramin.json" in finished.stdout + finished.stderr, command
    assert finished.returncode == 1


def test_forms_of_a_line(start_service):
    """`./NAME` and `*NAME` are the same file; a listed file that is shadowed or ill-named is compared all the same."""
    cvs = {**SMALL, "mina_en.json": cv("Hidden"), "ill named.json": cv("Ill")}
    digests = sums({"./mina.json": cvs["mina.json"], **{name: cvs[name] for name in ("mina_en.json", "ill named.json")}})
    digests += sums({"*omid.json": cvs["omid.json"]}).replace(b"  *", b" *")
    service = start_service(cvs={**cvs, "SHA256SUMS": digests})
    locked = cv_data(service)[2]["locked_files"]
    assert (locked["listed"], locked["mismatched"]) == (4, [])
    assert "SHA256SUMS" not in run_program(service.folder, "check").stdout


@pytest.mark.parametrize("line", [b"0" * 64 + b"  " + b"n" * 600, b"0" * 64, b"no digest at all, only words",
                                  b"0" * 64 + b"  ../outside.json", b"g" * 64 + b"  mina.json"])
def test_lines_that_are_none(start_service, line):
    """Told with their number; everything is loaded all the same."""
    service = start_service(cvs={**SMALL, "SHA256SUMS": sums(SMALL) + line + b"\n"})
    status, overall, check = cv_data(service)
    assert (status, overall) == (200, "degraded") and check["cvs"] == len(SMALL)
    assert f"SHA256SUMS:{len(SMALL) + 1}: " in json.dumps(check["locked_files"])
    checked = run_program(service.folder, "check")
    assert checked.returncode == 1 and f"SHA256SUMS:{len(SMALL) + 1}: " in checked.stdout


def test_a_list_that_cannot_be_read(start_service):
    """No reason to take the files for good."""
    service = start_service(cvs=SMALL)
    (service.data / "cvs/SHA256SUMS").mkdir()
    service.load()
    assert "SHA256SUMS: cannot be read" in json.dumps(cv_data(service)[2]["locked_files"])
