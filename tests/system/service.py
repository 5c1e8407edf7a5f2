"""Starts and stops the real program, with an environment that holds nothing but its settings."""
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CV_BIN_DIR", ROOT / "build/release/bin")).resolve() / "cv-query"
SAMPLE = Path(os.environ.get("CV_SAMPLE_DATA", ROOT / "data")).resolve()
READY = re.compile(r"cv-query ready on (?:http://(.+):([0-9]+)|unix:(.+))")
SANITIZED = PROGRAM.is_file() and b"__asan_init" in PROGRAM.read_bytes()
COUNTED = PROGRAM.is_file() and b"__gcov_dump" in PROGRAM.read_bytes()  # a build for coverage: slow and large
ORIGINS = ("https://app.example.org", "https://other.example.org")
PDFS = {
    "ramin.pdf": b"%PDF-1.4\n% English, " + bytes(range(256)) * 8 + b"\n%%EOF\n",
    "ramin_de.pdf": b"%PDF-1.4\n% Deutsch\n%%EOF\n",
    "mahsa_en.pdf": b"%PDF-1.4\n% English by its longer name\n%%EOF\n",
}


def wait_until(condition, deadline=10.0, step=0.005):
    """The first true value of `condition`; an assertion when it stays false."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not true within {deadline} s"
        time.sleep(step)


def title(pid):
    """What ps shows of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@contextmanager
def paused(pids):
    """Processes that do nothing for the length of a block."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError): # killed meanwhile
                os.kill(pid, signal.SIGCONT)


def make_folders(folder):
    """The folders of one instance; its data starts empty."""
    for name in ("data/cvs", "data/pdfs", "data/pics", "state", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return folder / "data"


def sample_data(folder):
    """A copy of the sample CVs and pictures, with PDFs of the tests' own."""
    data = make_folders(folder)
    for part in ("cvs", "pics"):
        for source in sorted((SAMPLE / part).iterdir()):
            shutil.copyfile(source, data / part / source.name)
    for name, content in PDFS.items():
        (data / "pdfs" / name).write_bytes(content)
    return data


def write_cvs(folder, cvs):
    """A data folder with these files; `cvs` is file name → bytes."""
    data = make_folders(folder)
    for name, content in cvs.items():
        (data / "cvs" / name).write_bytes(content)
    return data


def environment(folder, settings):
    """PATH and the settings, nothing else; a setting of None is left out."""
    defaults = {
        "CV_ENV": "testing",
        "BIND": "127.0.0.1:0",
        "CV_DATA_DIR": str(folder / "data"),
        "CV_STATE_DIR": str(folder / "state"),
        "CV_RUN_DIR": str(folder / "run"),
        "ACCESS_LOG": str(folder / "access.log"),
        "ERROR_LOG": str(folder / "error.log"),
        "WEB_CONCURRENCY": "2",
    }
    wanted = {"PATH": os.environ["PATH"], **defaults, **(settings or {})}
    return {name: value for name, value in wanted.items() if value is not None}


def run_program(folder, *arguments, settings=None, bare=False, timeout=30, **more):
    """Runs the program to its end; `bare` gives it no settings but those named."""
    assert PROGRAM.is_file(), f"{PROGRAM} is not built; CV_BIN_DIR says where to look"
    env = environment(folder, settings)
    if bare:
        env = {"PATH": os.environ["PATH"], **(settings or {})}
    return subprocess.run(
        [PROGRAM, *map(str, arguments)], env=env, cwd=folder, capture_output=True,
        stdin=subprocess.DEVNULL, text=True, encoding="utf-8", timeout=timeout, check=False, **more)


class Service:
    """A running cv-query: its addresses, folders and logs."""

    def __init__(self, folder, settings, merged=False):
        assert PROGRAM.is_file(), f"{PROGRAM} is not built; CV_BIN_DIR says where to look"
        self.folder = folder
        self.settings = dict(settings)
        env = environment(folder, settings)
        self.access_log = Path(env["ACCESS_LOG"])
        self.error_log = Path(env["ERROR_LOG"])
        self.output = folder / "stdout.txt"
        with open(self.output, "wb") as out, open(folder / "stderr.txt", "wb") as err:
            self.process = subprocess.Popen(
                [PROGRAM], env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT if merged else err)
        self.addresses = []
        try:
            self.addresses = self.wait_ready(env["BIND"].count(",") + 1)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def address(self):
        """The first address it listens on."""
        return self.addresses[0]

    @property
    def data(self):
        """The data folder."""
        return self.folder / "data"

    def wait_ready(self, count):
        """The addresses that the ready lines name, in their order."""
        def ready():
            found = [READY.fullmatch(line) for line in self.output.read_text("utf-8").splitlines()]
            lines = [match for match in found if match]
            assert self.process.poll() is None, f"ended at start: {self.complaints()}"
            return lines if len(lines) >= count else None

        lines = wait_until(ready, 60 if COUNTED else 10)
        assert len(lines) == count, lines
        return [line[3] or (line[1].strip("[]"), int(line[2])) for line in lines]

    def children(self, role):
        """The pids of the arbiter's children with this role in their title."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed if title(pid).endswith(f": {role}")]

    def complaints(self):
        """What it wrote to standard error."""
        return (self.folder / "stderr.txt").read_text("utf-8", "replace")

    def load(self, timeout=30):
        """Runs `cv-query load` beside the service, as an operator would."""
        return run_program(self.folder, "load", settings=self.settings, timeout=timeout)

    def stop(self):
        """Asks it to end; it must do so by itself, with exit 0."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert code == 0, f"exit {code}: {self.complaints()}"


@contextmanager
def running(folder, settings=None, merged=False):
    """A service over `folder/data` (made if need be) for the length of a block; `merged`: as with `2>&1`."""
    make_folders(folder)
    service = Service(folder, settings or {}, merged)
    try:
        yield service
    finally:
        service.stop()
