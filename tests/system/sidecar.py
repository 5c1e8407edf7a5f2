"""Starts and stops the health sidecar beside a service, and reads what it tells."""
import re
import signal
import subprocess
from contextlib import contextmanager

import jsonschema

from service import PROGRAM, Service, environment, make_folders, wait_until
from test_contract_health import SCHEMA
from wire import ask

SIDECAR = PROGRAM.with_name("cv-health")
READY = re.compile(r"cv-health ready on (?:http://(.+):([0-9]+)|unix:(.+))")
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
CHECKS = ["cv_data", "database", "cache", "query", "workers", "proxy", "certificate", "disk"]


def own_environment(folder, settings=None):
    """The service's environment with a port and an error log of the sidecar's own."""
    own = {"SIDECAR_BIND": "127.0.0.1:0", "ERROR_LOG": str(folder / "health.log")}
    return environment(folder, {**own, **(settings or {})})


def run_sidecar(folder, *arguments, settings=None):
    """Runs the sidecar's program to its end."""
    return subprocess.run(
        [SIDECAR, *map(str, arguments)], env=own_environment(folder, settings), cwd=folder, timeout=30,
        capture_output=True, stdin=subprocess.DEVNULL, text=True, encoding="utf-8", check=False)


def token_of(folder, settings=None):
    """The operators' bearer token, as `cv-health token` prints it."""
    finished = run_sidecar(folder, "token", settings=settings)
    assert finished.returncode == 0 and re.fullmatch("[0-9a-f]{64}\n", finished.stdout), finished
    return finished.stdout.strip()


class Sidecar:
    """A running cv-health: its addresses and logs."""

    def __init__(self, folder, settings=None, prefix=()):
        assert SIDECAR.is_file(), f"{SIDECAR} is not built; CV_BIN_DIR says where to look"
        env = own_environment(folder, settings)
        self.folder = folder
        self.settings = dict(settings or {})
        self.name = f"health-{len(list(folder.glob('health-*.out')))}"
        self.error_log = folder / "health.log"
        self.output = folder / f"{self.name}.out"
        with open(self.output, "wb") as out, open(folder / f"{self.name}.err", "wb") as err:
            self.process = subprocess.Popen([*prefix, SIDECAR], env=env, cwd=folder, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err)
        try:
            self.addresses = self.wait_ready(env["SIDECAR_BIND"].count(",") + 1)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    @property
    def address(self):
        """The first address it listens on."""
        return self.addresses[0]

    def complaints(self):
        """What it wrote to standard error."""
        return (self.folder / f"{self.name}.err").read_text("utf-8", "replace")

    def log(self):
        """Its error log up to now."""
        return self.error_log.read_text("utf-8") if self.error_log.exists() else ""

    def wait_ready(self, count):
        """The addresses that the ready lines name, in their order."""
        def ready():
            assert self.process.poll() is None, f"ended at start: {self.complaints()}"
            found = [READY.fullmatch(line) for line in self.output.read_text("utf-8").splitlines()]
            return found if len(found) >= count else None

        found = wait_until(ready)
        assert len(found) == count and all(found), self.output.read_text("utf-8")
        return [line[3] or (line[1].strip("[]"), int(line[2])) for line in found]

    def stop(self):
        """Asks it to end; it must do so by itself, with exit 0."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        assert code == 0, f"exit {code}: {self.complaints()}"


@contextmanager
def watching(folder, settings=None, prefix=()):
    """A sidecar over the instances of `folder/run` for the length of a block; `prefix` is what starts it."""
    sidecar = Sidecar(folder, settings, prefix)
    try:
        yield sidecar
    finally:
        sidecar.stop()


class Launched(Service):
    """A cv-query with arguments of its own, which may not be ready yet."""

    def __init__(self, folder, arguments, settings):  # pylint: disable=super-init-not-called
        env = environment(folder, settings)
        self.folder = folder
        self.settings = dict(settings)
        self.access_log, self.error_log = folder / "access.log", folder / "error.log"
        self.output = folder / "stdout.txt"
        with open(self.output, "wb") as out, open(folder / "stderr.txt", "wb") as err:
            self.process = subprocess.Popen([PROGRAM, *map(str, arguments)], env=env, cwd=folder, stdout=out,
                                            stderr=err, stdin=subprocess.DEVNULL)
        self.addresses = []

    def ready(self):
        """Waits until it serves."""
        self.addresses = self.wait_ready(1)
        return self


@contextmanager
def launched(folder, *arguments, settings=None):
    """As service.running, but nobody waits until it is ready."""
    make_folders(folder)
    service = Launched(folder, arguments, settings or {})
    try:
        yield service
    finally:
        service.stop()


def post(sidecar, target, token=None, headers=()):
    """An operator's wish."""
    given = {"Authorization": f"Bearer {token}"} if token else {}
    return ask(sidecar, target, "POST", headers={**given, **dict(headers)})


def report(sidecar, target="/api/v1/health/"):
    """Status and report once the first round is over; it must have the contract's form."""
    wait_until(lambda: b"first round" not in ask(sidecar, "/readyz").body)
    return read_report(ask(sidecar, target))


def read_report(answer):
    """Status and report of an answer, held to the contract's form."""
    told = answer.json()
    jsonschema.validate(told, SCHEMA)
    assert list(told) == ["status", "version", "timestamp", "checks"]
    worst = max(("ok", "warn", "error").index(check["status"]) for check in told["checks"].values())
    assert (answer.status, told["status"]) == ((200, "healthy"), (200, "degraded"), (503, "unhealthy"))[worst]
    for name, check in told["checks"].items():
        assert check["status"] == "ok" or check["message"], f"{name}: a message where it is not plain ok"
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Cache-Control") == "no-store"
    return answer.status, told


def check_of(sidecar, name):
    """One check of the full report."""
    return report(sidecar)[1]["checks"][name]


def is_ready(sidecar):
    """Whether requests should be sent here."""
    return ask(sidecar, "/readyz").status == 200


def read_labels(text):
    """The labels between the braces of a sample, unescaped."""
    labels = []
    while text:
        label = LABEL.match(text)
        assert label, f"labels {text!r}"
        labels.append((label[1], re.sub(r"\\(.)", lambda c: "\n" if c[1] == "n" else c[1], label[2])))
        text = text[label.end():]
    assert len(dict(labels)) == len(labels), f"a label twice: {labels}"
    return frozenset(labels)


def parse_metrics(text):
    """{(name, frozenset of labels): value} of either form; a sample that is there twice is an error."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, f"sample {line!r}"
        key = sample[1], read_labels(sample[2] or "")
        assert key not in found, f"twice: {line!r}"
        found[key] = float(sample[3])
    return found


def metrics(sidecar):
    """All samples as they are now."""
    return parse_metrics(ask(sidecar, "/metrics").body.decode("utf-8"))


def select(samples, name, **labels):
    """The sum of the samples of this name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (key, having), value in samples.items() if key == name and wanted <= having)
