"""What can be said of units and packages without a machine to try them on."""
import re
import shutil
import subprocess
import sys

import pytest

from service import PROGRAM, ROOT

UNITS = ROOT / "deploy/systemd"
DEBIAN = ROOT / "deploy/debian"
NGINX = "/lib/systemd/system/nginx.service"


def setting(unit, name):
    """The values of a line in a unit."""
    return re.findall(rf"(?m)^{name}=(.*)$", (UNITS / unit).read_text())


@pytest.mark.parametrize("unit, threshold", [("cv-query", 0.4), ("cv-health", 0.4), ("nginx", 1.4)])
def test_exposure(tmp_path, unit, threshold):
    """As systemd counts it; nginx's own unit with the drop-in that hardens it."""
    file = tmp_path / f"{unit}.service"
    if unit == "nginx":
        with open(NGINX, encoding="utf-8") as debians:
            file.write_text(debians.read() + (UNITS / "nginx-hardening.conf").read_text())
    else:
        shutil.copyfile(UNITS / f"{unit}.service", file)
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                           f"--threshold={threshold * 10:.0f}", file], capture_output=True, text=True, check=False)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert exposure and float(exposure[1]) <= threshold and done.returncode == 0, done.stdout + done.stderr


def test_places_agree():
    """Socket units open what the settings name, and a stop is longer than GRACEFUL_TIMEOUT's default."""
    settings = (DEBIAN / "cv-backend.env").read_text()
    assert re.findall(r"(?m)^BIND=unix:(.*)$", settings) == setting("cv-query.socket", "ListenStream")
    helped = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    assert f"Default: {setting('cv-health.socket', 'ListenStream')[0]}\n" in helped
    graceful = int(re.search(r"\[GRACEFUL_TIMEOUT\].*Default: (\d+)", helped)[1])
    assert int(setting("cv-query.service", "TimeoutStopSec")[0]) >= graceful + 10
    known = set(re.findall(r"\[([A-Z_]+)\]", helped))
    assert set(re.findall(r"(?m)^#?([A-Z_]+)=", settings)) <= known | {"SECRET_KEY_FILE"}


def made(kind, program):
    """What goes into the package."""
    return subprocess.run([sys.executable, DEBIAN / "from_help.py", kind, program], capture_output=True, text=True,
                          check=True).stdout


@pytest.mark.parametrize("program", ["cv-query", "cv-health"])
def test_manual_pages(program):
    """Name each command, option and setting there is; man takes them without a warning where it is to be had."""
    path = PROGRAM.with_name(program)
    helped = subprocess.run([path, "--help"], capture_output=True, text=True, check=True).stdout
    manual, settings = made("man", path), made("settings", path)
    commands = re.findall(r"(?m)^  ([a-z]+) {2,}", helped.partition("\nSubcommands:")[2])
    assert len(commands) >= 2 and all(f"\n.B {name}\n" in manual for name in commands), manual
    names = re.findall(r"VALUE +\[([A-Z_]+)\]", helped)
    assert len(names) > 30 and re.findall(r"(?m)^\.B ([A-Z_]+)$", settings) == names
    if shutil.which("man"):
        for text in (manual, settings, made("script", DEBIAN / "update-cv-backend-nginx")):
            done = subprocess.run(["man", "--warnings", "-l", "-"], input=text, capture_output=True, text=True,
                                  check=False)
            assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.parametrize("line, expected", [
    ("cv-query lo", "load"), ("cv-query --log-level w", "warning"),
    ("cv-query --cv-env ", "production development testing"),
    ("cv-query load --state", ""), ("cv-query load --cv-st", "--cv-state-dir"), ("cv-health t", "token"),
    ("cv-query config --e", "--error-log --env"), ("cv-query --config /etc/host", "/etc/hostname /etc/hosts"),
    ("cv-query --secret-key ", "")])
def test_completion(tmp_path, line, expected):
    """Commands, flags and values, as a shell completes them."""
    program = line.split()[0]
    script = tmp_path / "completion"
    script.write_text(made("completion", PROGRAM.with_name(program)))
    words = line + (" ''" if line.endswith(" ") else "")
    ask = (f'. {script}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); '
           f'_{program.replace("-", "_")}; echo "${{COMPREPLY[*]}}"')
    done = subprocess.run(["bash", "-euc", ask], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and set(expected.split()) <= set(done.stdout.split()), done
    assert expected or not done.stdout.strip(), done
    assert line.split()[-1] == "/etc/host" or set(done.stdout.split()) == set(expected.split()), done
