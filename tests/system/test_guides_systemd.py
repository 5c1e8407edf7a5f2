"""The blocks of the guides that build packages, and those that install them on a machine booted by systemd."""
import os
import re
import subprocess

import pytest

from guides import as_root, clone, run_blocks, those_of
from machine import Machine, need_machine
from service import COUNTED, PROGRAM, SANITIZED

pytestmark = pytest.mark.skipif(SANITIZED or COUNTED, reason="says nothing about an instrumented build")


@as_root
def test_packages_and_systemd(tmp_path):
    """The packages are built and then installed in a booted machine, as a reader would."""
    need_machine()
    place = clone(tmp_path)
    run_blocks(those_of("packages"), ["bash"], 600, cwd=place, env={**os.environ, "CV_BIN_DIR": str(PROGRAM.parent)})
    machine = Machine()
    machine.call("stop")
    machine.call("start", timeout=400)
    try:
        # What the packages need is fetched before: the machine itself has no way out.
        needed = set()
        for package in sorted((place / "build/packages").glob("*.deb")):
            machine.call("put", package, f"/root/{package.name}")
            depends = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True,
                                     check=True).stdout
            needed |= {re.match(r"[a-z0-9.+-]+", one.strip())[0] for one in depends.split(",")}
        machine.install(*sorted(needed - {"cv-backend"}), "ssl-cert", "curl")
        # Those of the second room find a machine without the packages, and install them.
        for block in (*those_of("systemd"), *those_of("installed")):
            done = machine.call("exec", "bash", "-euo", "pipefail", "-c", f"cd /root\n{block.text}", check=False)
            assert done.returncode == 0, f"{block}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    finally:
        machine.call("stop")
