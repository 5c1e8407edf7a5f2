"""Broken CV files: that file alone is refused, and told with file, line and JSON pointer."""
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from broken import BAD_NAMES, IGNORED_NAMES, KINDS, LIMIT, nested, padded
from expect import check_error
from samples import SMALL, cv
from service import environment, make_folders, run_program, running, write_cvs
from wire import ask

NAMES = [kind.name for kind in KINDS]


def output(finished):
    """All that a program printed."""
    return finished.stdout + finished.stderr


def check_told(told, kind, name="bad.json"):
    """File, and where it makes sense line and JSON pointer, in one line of the output."""
    lines = [line for line in told.splitlines() if name in line]
    assert lines, f"{name} is not named in {told!r}"
    if kind.line:
        place = re.compile(rf"{re.escape(name)}:{kind.line}(:[0-9]+)?:")
        lines = [line for line in lines if place.search(line)]
        assert lines, f"no {place.pattern} in {told!r}"
    if kind.pointer:
        pointer = re.compile(rf": at {re.escape(kind.pointer)}[/:]")
        assert any(pointer.search(line) for line in lines), f"no {pointer.pattern} in {told!r}"


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_load_refuses_it(tmp_path, kind):
    """`load` names the file and exits with 65."""
    data = write_cvs(tmp_path, {"mina.json": SMALL["mina.json"]})
    kind.make(data / "cvs/bad.json")
    finished = run_program(tmp_path, "load")
    assert finished.returncode == 65, output(finished)
    check_told(output(finished), kind)
    assert "mina.json:" not in output(finished)


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_check_finds_it(tmp_path, kind):
    """`check FILE` names the file and exits with 1; a good file beside it is ok."""
    data = write_cvs(tmp_path, {"mina.json": SMALL["mina.json"]})
    kind.make(data / "cvs/bad.json")
    finished = run_program(tmp_path, "check", data / "cvs/bad.json", data / "cvs/mina.json")
    assert finished.returncode == 1, output(finished)
    check_told(output(finished), kind)
    assert re.search(r"mina\.json: ok$", output(finished), re.M)


@pytest.fixture(scope="module")
def among_broken(tmp_path_factory):
    """A service over the small CVs and one broken file of every kind, and what `load` said."""
    folder = tmp_path_factory.mktemp("broken")
    data = write_cvs(folder, SMALL)
    for number, kind in enumerate(KINDS):
        kind.make(data / f"cvs/bad{number}.json")
    for name in BAD_NAMES:
        (data / "cvs" / name).write_bytes(cv())
    told = run_program(folder, "load")
    with running(folder) as started:
        yield started, told


def test_all_are_told_at_once(among_broken):
    """Every refused file is named, each with its own reason, in one run."""
    _, told = among_broken
    assert told.returncode == 65
    for number, kind in enumerate(KINDS):
        check_told(output(told), kind, f"bad{number}.json")
    assert figures(output(told))["refused"] == len(KINDS) + len(BAD_NAMES)
    assert figures(output(told))["compiled"] == len(SMALL)


@pytest.mark.parametrize("number", range(len(KINDS)), ids=NAMES)
def test_it_alone_is_not_served(among_broken, number):
    """A broken file makes no person."""
    service, _ = among_broken
    answer = ask(service, f"/api/v1/cvs/bad{number}/")
    check_error(answer, 404, "CV not found", {"person": f"bad{number}"})


def test_the_good_ones_are_served(among_broken):
    """The others are served, and the report warns and names the refused."""
    service, _ = among_broken
    assert ask(service, "/api/v1/cvs/").json() == {"cvs": ["mina", "omid"]}
    assert ask(service, "/api/v1/cvs/omid/?lang=de").header("Content-Language") == "de"
    answer = ask(service, "/api/v1/health/")
    report = answer.json()
    assert (answer.status, report["status"]) == (200, "degraded")
    assert report["checks"]["cv_data"]["status"] == "warn"
    assert "bad0.json" in json.dumps(report["checks"]["cv_data"])


@pytest.mark.parametrize("name", BAD_NAMES)
def test_file_names(tmp_path, name):
    """A name that is not PERSON.json or PERSON_LANG.json is refused."""
    data = write_cvs(tmp_path, {"mina.json": cv(), name: cv()})
    finished = run_program(tmp_path, "load")
    assert finished.returncode == 65
    assert not name.isascii() or name in output(finished)
    assert run_program(tmp_path, "check", data / "cvs" / name).returncode == 1


def test_ignored_names(tmp_path):
    """Files that do not end in .json, and dot-files, are no CVs and no errors."""
    write_cvs(tmp_path, {"mina.json": cv(), **{name: b"{" for name in IGNORED_NAMES}})
    finished = run_program(tmp_path, "load")
    assert finished.returncode == 0, output(finished)
    assert figures(output(finished))["compiled"] == 1


@pytest.mark.parametrize("data", [
    padded(LIMIT), cv(more=", " + nested(32)), cv(more=', "a": "\\u0000\\ud83d\\ude00"'),
    cv(more=', "a": 1.7976931348623157e308, "b": 1e-999'), b" \r\n\t" + cv() + b"\n\n",
    cv(more=', "skills": [], "hobbies": 1'), cv(more=', "a": "\x7f\u2028"'),
    b'{"b\\u0061sics": [{"fname": "A", "lname": "B"}, "more"]}',
], ids=["16 MiB", "32 deep", "escaped NUL", "edge numbers", "white around", "skills a list", "DEL", "escaped key"])
def test_good_at_the_edge(tmp_path, data):
    """What is just allowed is taken."""
    folder = write_cvs(tmp_path, {"edge.json": data})
    finished = run_program(tmp_path, "load")
    assert finished.returncode == 0, output(finished)
    finished = run_program(tmp_path, "check", folder / "cvs/edge.json")
    assert finished.returncode == 0 and re.search(r"edge\.json: ok$", finished.stdout, re.M)


def test_unreadable():
    """A file that must not be read is refused like any other; root reads everything, so not as root."""
    folder = Path(tempfile.mkdtemp(prefix="cv-unreadable-"))
    try:
        data = write_cvs(folder, SMALL)
        (data / "cvs/bad.json").write_bytes(cv())
        (data / "cvs/bad.json").chmod(0)
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o777)
        more = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
        try:
            finished = run_program(folder, "load", **more)
        except PermissionError:
            pytest.skip("the program is not executable for others")
        assert finished.returncode == 65, output(finished)
        assert "bad.json" in output(finished)
        assert figures(output(finished))["compiled"] == len(SMALL)
        if more:  # the file is as it was, but root may read it
            assert figures(output(run_program(folder, "load")))["compiled"] == 1
    finally:
        shutil.rmtree(folder)


def figures(told):
    """The numbers beside the words of the summary line."""
    found = {}
    for word in ("compiled", "unchanged", "refused", "removed"):
        match = re.search(rf"([0-9]+) {word}|{word}[ =:]+([0-9]+)", told)
        assert match, f"no number of {word} in {told!r}"
        found[word] = int(match[1] or match[2])
    return found


def test_only_changed_files_are_compiled(tmp_path):
    """The summary tells how many were compiled, unchanged, refused and removed."""
    data = write_cvs(tmp_path, SMALL)

    def load(code, **expected):
        finished = run_program(tmp_path, "load")
        assert finished.returncode == code, output(finished)
        assert figures(output(finished)) == {
            "compiled": 0, "unchanged": 0, "refused": 0, "removed": 0, **expected}

    load(0, compiled=3)
    load(0, unchanged=3)
    (data / "cvs/mina.json").write_bytes(cv("Other"))
    load(0, compiled=1, unchanged=2)
    (data / "cvs/new.json").write_bytes(cv("New"))
    load(0, compiled=1, unchanged=3)
    (data / "cvs/new.json").unlink()
    load(0, unchanged=3, removed=1)
    (data / "cvs/mina.json").write_bytes(b"{")
    load(65, unchanged=2, refused=1)
    (data / "cvs/mina.json").write_bytes(cv("Mended"))
    load(0, compiled=1, unchanged=2)


@pytest.mark.parametrize("kind", KINDS[::9], ids=NAMES[::9])
def test_a_file_that_goes_bad(start_service, kind):
    """Its last good version stays; mended it is served anew; deleted it is gone."""
    service = start_service()
    path = service.data / "cvs/mina.json"
    before = ask(service, "/api/v1/cvs/mina/")
    path.unlink()
    kind.make(path)
    finished = service.load()
    assert finished.returncode == 65
    check_told(output(finished), kind, "mina.json")
    after = ask(service, "/api/v1/cvs/mina/")
    assert (after.status, after.body) == (200, before.body)
    assert after.header("ETag") == before.header("ETag")
    report = ask(service, "/api/v1/health/").json()
    assert report["status"] == "degraded"
    assert "mina.json" in json.dumps(report["checks"]["cv_data"])
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    path.write_bytes(cv("Mended"))
    assert service.load().returncode == 0
    assert ask(service, "/api/v1/cvs/mina/").json()["basics"][0]["fname"] == "Mended"
    assert ask(service, "/api/v1/health/").json()["status"] == "healthy"
    path.unlink()
    assert service.load().returncode == 0
    check_error(ask(service, "/api/v1/cvs/mina/"), 404, "CV not found", {"person": "mina"})
    assert ask(service, "/api/v1/cvs/").json() == {"cvs": ["omid"]}


def test_last_good_version_after_a_restart(tmp_path):
    """A service that starts over a file that has gone bad serves its last good version."""
    data = write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        before = ask(service, "/api/v1/cvs/mina/").body
    (data / "cvs/mina.json").write_bytes(b'{"half": ')
    with running(tmp_path) as service:
        assert ask(service, "/api/v1/cvs/mina/").body == before
        assert ask(service, "/api/v1/health/").json()["status"] == "degraded"


def test_one_language_gone_bad(start_service):
    """The other languages of the same person are not touched."""
    service = start_service()
    (service.data / "cvs/omid_de.json").write_bytes(b"[]")
    (service.data / "cvs/omid.json").write_bytes(cv("Changed"))
    assert service.load().returncode == 65
    assert ask(service, "/api/v1/cvs/omid/").json()["basics"][0]["fname"] == "Changed"
    german = ask(service, "/api/v1/cvs/omid/?lang=de")
    assert german.header("Content-Language") == "de"
    assert german.json()["basics"][0]["lname"] == "Beispiel"


def test_load_without_any_good_file(tmp_path):
    """Nothing loaded is an error."""
    make_folders(tmp_path)
    assert run_program(tmp_path, "load").returncode == 65
    shutil.rmtree(environment(tmp_path, {})["CV_DATA_DIR"])
    assert run_program(tmp_path, "load").returncode == 69


def test_names_that_are_no_text(start_service):
    """A name of any bytes is shown escaped, in the report, by `load` and by `check`, and forges no line."""
    service = start_service()
    folder = os.fsencode(service.data / "cvs")
    for name in (b"\xff\xfe.json", b"a\nb: ok.json"):
        with open(folder + b"/" + name, "wb") as file:
            file.write(cv("Nobody"))
    finished = service.load()
    assert finished.returncode == 65
    check = ask(service, "/api/v1/health/").json()["checks"]["cv_data"]
    assert {row["file"] for row in check["rejected"]} == {r"\xff\xfe.json", r"a\x0ab: ok.json"}
    checked = run_program(service.folder, "check")
    for told in (finished.stderr, checked.stdout):
        assert r"\xff\xfe.json: " in told and r"a\x0ab: ok.json: the name" in told and "\nb: ok" not in told


def test_a_person_named_like_a_language(start_service):
    """No person's name ends so: `x_de_en.json` is nobody's, not person x_de's, nor does it hide `x_de.json`."""
    service = start_service(cvs={"x.json": cv("X"), "x_de.json": cv("X auf Deutsch"), "x_de_en.json": cv("?")})
    assert ask(service, "/api/v1/cvs/").json() == {"cvs": ["x"]}
    assert ask(service, "/api/v1/cvs/x/?lang=de").json()["basics"][0]["fname"] == "X auf Deutsch"
    check = ask(service, "/api/v1/health/").json()["checks"]["cv_data"]
    assert [row["file"] for row in check["rejected"]] == ["x_de_en.json"] and check["shadowed"] == []
