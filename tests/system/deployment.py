"""A deployment as it is shipped: nginx from scripts/render-proxy.sh before a service, with a certificate of a test
authority; and how it is broken on purpose."""
import json
import shutil
import subprocess
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta, timezone

from edge import run_script
from load import NGINX, answers, free_port
from samples import SMALL
from service import make_folders, run_program, running, wait_until, write_cvs

OPENSSL = shutil.which("openssl")
AVAILABLE = NGINX is not None and OPENSSL is not None
SECRET = "Ahf3ieW0Zaeghai7Iequ4oochoaf1eiQu6aiphah5ooSh7aiwie2"
CA_CONF = """
[ca]
default_ca = a
[a]
database = {ca}/index.txt
new_certs_dir = {ca}
rand_serial = yes
default_md = sha256
policy = p
unique_subject = no
[p]
commonName = supplied
[leaf]
subjectAltName = {names}
"""


def openssl(folder, *arguments):
    """Runs openssl, which must succeed."""
    subprocess.run([OPENSSL, *map(str, arguments)], cwd=folder, check=True, capture_output=True)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "ca.pem"
        folder.mkdir()
        (folder / "index.txt").write_text("")
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "3650")

    def issue(self, certificate, key, names="DNS:localhost", days=90, kind=("ec", "ec_paramgen_curve:prime256v1"), begins=-1):
        """A certificate for these names that ends in so many days, which may be below 0."""
        now = datetime.now(timezone.utc)
        begin, end = now + timedelta(days=min(days, 0) + begins), now + timedelta(days=days, hours=1)
        (self.folder / "conf").write_text(CA_CONF.format(ca=self.folder, names=names))
        openssl(self.folder, "req", "-newkey", kind[0], "-pkeyopt", kind[1], "-nodes", "-keyout", key, "-out",
                "request.pem", "-subj", "/CN=localhost")
        openssl(self.folder, "ca", "-batch", "-config", "conf", "-in", "request.pem", "-cert", "ca.pem", "-keyfile",
                "ca.key", "-out", certificate, "-notext", "-extensions", "leaf", "-startdate", f"{begin:%Y%m%d%H%M%SZ}",
                "-enddate", f"{end:%Y%m%d%H%M%SZ}")
        key.chmod(0o600)


class Deployment:
    """The folders, settings and certificate of one, and what is asked of it."""

    def __init__(self, folder, site, authority):
        write_cvs(folder, SMALL)
        self.folder, self.site, self.authority = folder, folder / "site", authority
        shutil.copytree(site, self.site)
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        authority.issue(self.certificate, self.key)
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        self.secret.chmod(0o600)
        for part in ("data", "data/cvs", "data/pdfs", "data/pics"):
            (folder / part).chmod(0o555)
        self.http, self.https = free_port(), free_port()
        self.query = folder / "query.sock"
        self.settings = {
            "CV_ENV": "production", "SECRET_KEY_FILE": str(self.secret), "ALLOWED_HOSTS": "localhost",
            "BIND": f"unix:{self.query}", "TLS_CERTIFICATE": str(self.certificate),
            "TLS_CERTIFICATE_KEY": str(self.key), "HTTP_PORT": str(self.http), "HTTPS_PORT": str(self.https),
            "SECURE_HSTS_PRELOAD": "true", "SECURITY_CONTACT": "mailto:security@example.org",
            "CORS_ALLOWED_ORIGINS": "https://app.example.org", "SSL_CERT_FILE": str(authority.file)}
        self.address = "127.0.0.1"
        self.conf = folder / "proxy"
        self.process = None

    @property
    def url(self):
        """Where clients ask."""
        return f"https://localhost:{self.https}"

    def check(self, *arguments, settings=None):
        """`cv-query check` with the settings, some of them others; its exit code and the ids that it names."""
        finished = run_program(self.folder, "check", "--json", *arguments,
                               settings={**self.settings, **(settings or {})}, timeout=120)
        assert finished.stdout, finished.stderr
        report = json.loads(finished.stdout)
        assert report["failed"] == (finished.returncode == 1), finished
        return finished.returncode, {finding["id"]: finding for finding in report["findings"]}

    def render(self):
        """Renders nginx's configuration; listening on loopback alone."""
        run_script("render-proxy.sh", "--out", self.conf, "--site", self.site, "--logs", self.folder / "logs",
                   settings={**self.settings, "CV_ENV": "testing"})

    def edit(self, file, old, new):
        """Changes a rendered file; `old` must be there."""
        path = self.conf / file
        text = path.read_text("utf-8")
        assert old in text, f"{file} holds no {old}"
        path.write_text(text.replace(old, new), "utf-8")

    def start(self):
        """Starts nginx as it is rendered."""
        self.process = subprocess.Popen(
            [NGINX, "-c", self.conf / "nginx.conf", "-e", "stderr", "-g", "daemon off; master_process off;"],
            stdin=subprocess.DEVNULL, stderr=open(self.folder / "nginx.err", "wb"))  # pylint: disable=consider-using-with
        wait_until(lambda: self.process.poll() is not None or answers((self.address, self.https)))
        assert self.process.poll() is None, (self.folder / "nginx.err").read_text()

    def stop(self):
        """Ends nginx."""
        if self.process:
            self.process.terminate()
            self.process.wait(10)


@contextmanager
def deployed(folder, site, authority, prepare=None, serve=True):
    """A running deployment; `prepare` breaks it after its configuration was rendered."""
    make_folders(folder)
    deployment = Deployment(folder, site, authority)
    deployment.render()
    if prepare:
        prepare(deployment)
    with running(folder, {**deployment.settings, "WEB_CONCURRENCY": "1"}) if serve else nullcontext():
        deployment.start()
        try:
            yield deployment
        finally:
            deployment.stop()  # before the service, which would wait for the connections that nginx keeps
