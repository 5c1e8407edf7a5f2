"""Full disks: for the catalogue, for the logs, for the scoreboard. What is served goes on being served."""
import os
import subprocess

import pytest

from samples import SMALL
from service import running, wait_until, write_cvs
from sidecar import metrics, watching
from test_reloads import configured
from test_state import large_cv
from wire import ask
from workers import checks, log_of

MINA = "/api/v1/cvs/mina/"
NAMESPACE = ["unshare", "--map-root-user", "--mount"]
SMALL_DISK = 'mount -t tmpfs -o "size=$1" none "$2" && shift 2 && exec "$@"'


def on_small_disk(folder, size):
    """How a program is started for which `folder` is a file system of this size."""
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0:
        assert os.environ.get("CI") != "true", "no namespaces here, and CI must have them"
        pytest.skip("needs to make a namespace")
    return [*NAMESPACE, "sh", "-c", SMALL_DISK, "sh", size, str(folder)]


def test_no_room_for_the_catalogue(tmp_path):
    """What was loaded before is served, the report says why, and the next load that fits heals it."""
    (tmp_path / "state").mkdir()
    with configured(tmp_path, command=on_small_disk(tmp_path / "state", "1m")) as service:
        noise = os.urandom(1 << 20).hex()
        (service.folder / "data/cvs/big.json").write_bytes(large_cv(noise))
        wait_until(lambda: "may be full" in checks(service)["cv_data"].get("message", ""), 20)
        assert ask(service, MINA).status == 200
        assert ask(service, "/api/v1/cvs/big/").status == 404
        (service.folder / "data/cvs/big.json").write_bytes(SMALL["mina.json"])
        wait_until(lambda: ask(service, "/api/v1/cvs/big/").status == 200, 40)
        wait_until(lambda: checks(service)["cv_data"]["status"] == "ok")


def test_no_room_for_logs(tmp_path):
    """Lines are dropped and counted."""
    write_cvs(tmp_path, SMALL)
    with running(tmp_path, {"ACCESS_LOG": "/dev/full", "ERROR_LOG": "/dev/full"}) as service:
        with watching(tmp_path) as sidecar:
            for _ in range(20):
                assert ask(service, MINA).status == 200
            wait_until(lambda: sum(value for (name, _), value in metrics(sidecar).items()
                                   if name == "cv_dropped_log_lines_total") >= 20)


def test_no_room_for_the_scoreboard(tmp_path):
    """As many workers as there is room for serve, and the others are told of; nobody dies of it."""
    (tmp_path / "run").mkdir()
    with configured(tmp_path, {"WEB_CONCURRENCY": "40"}, command=on_small_disk(tmp_path / "run", "1m")) as service:
        wait_until(lambda: "cannot start a worker" in log_of(service))
        told = checks(service)["workers"]
        assert told["status"] == "warn" and "of 40 workers" in told["message"]
        assert told["instances"]["query-0"]["ended"]["died"] == 0
        assert ask(service, MINA).status == 200
