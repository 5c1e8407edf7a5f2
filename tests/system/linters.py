"""The linters that come from npm: installed once, by exact versions."""
import subprocess

from service import ROOT

LINT = ROOT / "tests/lint"
SCHEMAS = LINT / "node_modules/@cyclonedx/cyclonedx-library/res/schema"


def installed():
    """Installs them where they are missing or old."""
    mark, wanted = LINT / "node_modules/.package-lock.json", LINT / "package-lock.json"
    if not mark.exists() or mark.stat().st_mtime < wanted.stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-progress"], cwd=LINT, check=True, capture_output=True, timeout=300)
