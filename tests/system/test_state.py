"""The state folder: what it must allow, and what is said when it does not."""
import os
import subprocess

import pytest

from samples import SMALL
from service import PROGRAM, environment, run_program, write_cvs

READ_ONLY = 'mount --bind "$CV_STATE_DIR" "$CV_STATE_DIR" && mount -o remount,bind,ro "$CV_STATE_DIR" && exec "$@"'


def test_readers_need_the_lock(tmp_path):
    """Served from a read-only mount, LMDB would take no lock, and a loader elsewhere could change what is read."""
    write_cvs(tmp_path, SMALL)
    assert run_program(tmp_path, "load").returncode == 0
    namespace = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        assert os.environ.get("CI") != "true", "no namespaces here, and CI must have them"
        pytest.skip("needs to make a namespace")
    finished = subprocess.run(
        [*namespace, "sh", "-c", READ_ONLY, "sh", PROGRAM], env=environment(tmp_path, {"ERROR_LOG": "-"}),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)
    assert finished.returncode == 69, finished
    assert "ready on" not in finished.stdout
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("cv-query: ") and "lock.mdb" in last and "CV_STATE_DIR" in last


def test_state_that_is_no_folder(tmp_path):
    """One line that names the setting, not a service that can never serve."""
    write_cvs(tmp_path, SMALL)
    (tmp_path / "file").write_text("")
    for command in ([], ["load"]):
        finished = run_program(tmp_path, *command, settings={"CV_STATE_DIR": str(tmp_path / "file/state")})
        assert finished.returncode not in (0, 78), finished
        assert str(tmp_path / "file/state") in finished.stderr.splitlines()[-1]
