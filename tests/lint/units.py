"""usage: units.py [FOLDER]

Hands the units of a folder (deploy/systemd) to `systemd-analyze verify`, in a root of their own where the programs
that they start exist, so that none needs to be installed here.
"""
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

KINDS = {".service", ".socket", ".timer", ".path", ".target", ".slice"}


def main():
    """Prints what systemd finds; exit 1 on any."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "deploy/systemd")
    units = sorted(path for path in folder.rglob("*") if path.suffix in KINDS and path.is_file())
    with tempfile.TemporaryDirectory() as room:
        root = Path(room)
        place = root / "etc/systemd/system"
        place.mkdir(parents=True)
        system = root / "usr/lib/systemd/system" # what ours refer to: targets, and the units that they bring along
        system.parent.mkdir(parents=True)
        shutil.copytree("/usr/lib/systemd/system", system, symlinks=True)
        for unit in units:
            shutil.copy(unit, place)
            for program in re.findall(r"^Exec\w+=[-+!@:]*(/\S+)", unit.read_text("utf-8"), re.M):
                target = root / program.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text("#!/bin/sh\n")
                target.chmod(0o755)
        if not units:
            return 0
        command = ["systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no"]
        said = subprocess.run([*command, *(unit.name for unit in units)], capture_output=True, text=True, check=False)
        print(said.stderr.replace(str(root), ""), file=sys.stderr, end="")
        return 1 if said.returncode or said.stderr.strip() else 0


sys.exit(main())
