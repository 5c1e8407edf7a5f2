"""CV files that come, change and go under a running service, and loaders that end badly."""
import os
import random
import shutil
import signal
import time

from load import bodies, steady_load
from samples import cv, SMALL
from service import make_folders, running, title, wait_until, write_cvs
from test_state import large_cv
from wire import ask
from workers import checks, first_name, log_of, MINA, turns_of, version_of_one


def test_files_that_come_and_go(tmp_path):
    """Dropped in, renamed into place, written slowly, deleted: served as they are, without any signal."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path) as service:
        folder = service.data / "cvs"
        (folder / "dropped.json").write_bytes(cv("Dropped"))
        wait_until(lambda: first_name(service, "dropped") == "Dropped")
        (tmp_path / "elsewhere").write_bytes(cv("Renamed"))
        (tmp_path / "elsewhere").rename(folder / "dropped.json")
        wait_until(lambda: first_name(service, "dropped") == "Renamed")
        for name, before in (("slow", None), ("dropped", "Renamed")):
            text = cv("Slow")
            with open(folder / f"{name}.json", "wb", buffering=0) as file:
                file.write(text[:len(text) // 2])
                turns_of(service.process.pid, 5)
                assert first_name(service, name) == before
                file.write(text[len(text) // 2:])
            wait_until(lambda person=name: first_name(service, person) == "Slow")
        os.remove(folder / "dropped.json")
        wait_until(lambda: first_name(service, "dropped") is None)
        assert checks(service)["cv_data"]["rejected_files"] == 0 and "refused:" not in log_of(service)


def test_the_folder_replaced_as_a_whole(tmp_path):
    """By a rename, then by a symlink that is swapped: what lies there now is served, and watched."""
    write_cvs(tmp_path, SMALL)
    for number in range(3):
        write_cvs(tmp_path / f"v{number}", {"mina.json": SMALL["mina.json"], "which.json": cv(f"Version{number}")})
    with running(tmp_path) as service, steady_load(service.address, bodies(service, MINA)) as load:
        cvs = service.data / "cvs"
        cvs.rename(tmp_path / "old")
        (tmp_path / "v0/data/cvs").rename(cvs)
        wait_until(lambda: first_name(service, "which") == "Version0")
        cvs.rename(tmp_path / "older")
        cvs.symlink_to(tmp_path / "v1/data/cvs")
        wait_until(lambda: first_name(service, "which") == "Version1")
        (service.data / "next").symlink_to(tmp_path / "v2/data/cvs")
        (service.data / "next").rename(cvs)
        wait_until(lambda: first_name(service, "which") == "Version2")
        (tmp_path / "v2/data/cvs/late.json").write_bytes(cv("Late"))
        wait_until(lambda: first_name(service, "late") == "Late")
        assert ask(service, "/api/v1/cvs/").json() == {"cvs": ["late", "mina", "which"]}
    assert not load.lost


def write_version(folder, version, files):
    """Many CVs of one version, in place of those before, so that a load takes a while."""
    make_folders(folder)
    shutil.rmtree(folder / "next", ignore_errors=True)
    text = large_cv(f"{version} " + os.urandom(30_000).hex())
    write_cvs(folder / "next", {**SMALL, **{f"p{n}.json": text for n in range(files)}})
    if (folder / "data/cvs").exists():
        (folder / "data/cvs").rename(folder / f"before{version}")
    (folder / "next/data/cvs").rename(folder / "data/cvs")


def version_of(service):
    """The version that all of the large CVs have."""
    texts = {ask(service, f"/api/v1/cvs/p{n}/").json()["education"][0]["summary"].split()[0] for n in range(0, 20, 6)}
    return texts.pop() if len(texts) == 1 else None


def test_loaders_killed_at_any_moment(tmp_path):
    """What was loaded last is served, whole; the next load that is let live heals all."""
    write_version(tmp_path, 0, 20)
    chance = random.Random(7)
    with running(tmp_path) as service, steady_load(service.address, bodies(service), kept=1, fresh=1) as load:
        longest = 1.2 * checks(service)["cv_data"]["load"]["milliseconds"] / 1000
        for version in range(1, 9):
            write_version(tmp_path, version, 20)
            service.process.send_signal(signal.SIGHUP)
            loader = wait_until(lambda: service.children("loader"))[0]
            time.sleep(chance.random() * longest)  # any moment
            if title(loader):
                os.kill(loader, signal.SIGKILL)
            assert int(wait_until(lambda: version_of(service))) <= version
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: version_of(service) == "8", deadline=30)
        wait_until(lambda: checks(service)["cv_data"]["load"]["phase"] == "good")
        assert checks(service)["cv_data"]["status"] == "ok"
        assert log_of(service).count("the loader ended by signal 9 (Killed)") >= 3
    assert not load.lost


def test_a_loader_that_hangs(tmp_path):
    """No progress for TIMEOUT: killed, told, and tried again; what was there before is served meanwhile."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"TIMEOUT": "1"}) as service, steady_load(service.address, bodies(service)) as load:
        write_version(tmp_path, 1, 20)
        loader = wait_until(lambda: service.children("loader"))[0]
        wait_until(lambda: checks(service)["cv_data"]["load"]["phase"] == "compiling")
        os.kill(loader, signal.SIGSTOP)
        found = wait_until(lambda: (lambda check: check["status"] == "warn" and check)(checks(service)["cv_data"]))
        assert "made no progress for TIMEOUT seconds and was killed" in found["message"]
        assert found["load"]["phase"] == "failed" and found["load"]["failures"] == 1
        assert ask(service, "/api/v1/cvs/p1/").status == 404
        wait_until(lambda: version_of_one(service) == "1", deadline=30)
        wait_until(lambda: checks(service)["cv_data"]["status"] == "ok")
        assert "made no progress for TIMEOUT seconds" in log_of(service)
    assert not load.lost
