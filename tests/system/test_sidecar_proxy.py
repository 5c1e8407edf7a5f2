"""The checks of the proxy and of its certificate, against a real nginx with a real certificate."""
import os
import shutil
import subprocess
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import pytest

from load import NGINX, answers, free_port
from samples import SMALL
from service import running, wait_until, write_cvs
from sidecar import check_of, is_ready, metrics, report, run_sidecar, select, watching

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(
    (NGINX is None or OPENSSL is None) and os.environ.get("CI") != "true", reason="needs nginx and openssl")
CONF = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{
  log_format seen '$scheme $host $ssl_server_name $request_uri $status';
  access_log {folder}/seen.log seen;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {folder}/cert.pem;
  ssl_certificate_key {folder}/key.pem;
  server {{
    listen 127.0.0.1:{tls} ssl;
    listen 127.0.0.1:{plain};
    listen unix:{folder}/plain.sock;
    location / {{ {answer} }}
  }}
}}
"""
PASS = "proxy_pass http://unix:{socket}:; proxy_set_header Host $host;"


def make_certificate(folder, days):
    """A key and a certificate of its own that ends in so many days (its end may lie behind it)."""
    begin = datetime.now(timezone.utc) + timedelta(days=min(days, 0) - 1)
    end = datetime.now(timezone.utc) + timedelta(days=days, hours=12)
    ca = folder / "ca"
    ca.mkdir()
    (ca / "index.txt").write_text("")
    (ca / "conf").write_text(f"[ca]\ndefault_ca=a\n[a]\ndatabase={ca}/index.txt\nnew_certs_dir={ca}\nrand_serial=yes\n"
                             "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    run = {"check": True, "capture_output": True, "cwd": folder}
    subprocess.run([OPENSSL, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost"], **run)
    subprocess.run([OPENSSL, "ca", "-batch", "-selfsign", "-config", ca / "conf", "-in", "request.pem", "-keyfile",
                    "key.pem", "-out", "cert.pem", "-notext", "-startdate", f"{begin:%Y%m%d%H%M%SZ}",
                    "-enddate", f"{end:%Y%m%d%H%M%SZ}"], **run)
    return end.replace(microsecond=0)


class Front:
    """nginx with TLS before a unix socket."""

    def __init__(self, folder, answer):
        self.folder, self.tls, self.plain = folder, free_port(), free_port()
        (folder / "nginx.conf").write_text(
            CONF.format(folder=folder, tls=self.tls, plain=self.plain, answer=answer))
        self.process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "nginx.log"],
                                        stdin=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or answers(("127.0.0.1", self.tls)))
        assert self.process.poll() is None, (folder / "nginx.log").read_text()

    @property
    def url(self):
        """Where clients ask."""
        return f"https://127.0.0.1:{self.tls}"

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def front(folder, days=60, answer=None):
    """nginx before `folder/query.sock`, with a certificate that ends in so many days."""
    place = folder / "front"
    place.mkdir()
    end = make_certificate(place, days)
    started = Front(place, answer or PASS.format(socket=folder / "query.sock"))
    started.end = end
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def service_behind(folder):
    """A service on a unix socket."""
    write_cvs(folder, SMALL)
    with running(folder, {"BIND": f"unix:{folder}/query.sock"}) as service:
        yield service


def figures(check):
    """The days left, the end as a time, and where it was seen."""
    end = datetime.strptime(check["not_after"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return check["days_left"], end, check["source"]


def test_proxy_answers_and_is_stopped(tmp_path):
    """Ok while it answers over TLS, as clients ask; error when it is gone; and the certificate stays known."""
    with service_behind(tmp_path), front(tmp_path) as nginx:
        with watching(tmp_path, {"PROXY_URL": nginx.url}) as sidecar:
            wait_until(lambda: is_ready(sidecar))
            proxy = check_of(sidecar, "proxy")
            assert (proxy["status"], proxy["url"], proxy.get("message")) == ("ok", nginx.url, None)
            assert check_of(sidecar, "certificate")["status"] == "ok" and report(sidecar)[0] == 200
            assert figures(check_of(sidecar, "certificate")) == (60, nginx.end, nginx.url)
            seconds = select(metrics(sidecar), "cv_certificate_not_after_timestamp_seconds")
            assert seconds == nginx.end.timestamp()
            seen = (nginx.folder / "seen.log").read_text().splitlines()
            assert set(seen) == {"https localhost localhost /api/v1/health/ 200"}
            nginx.stop()
            message = wait_until(lambda: (found := check_of(sidecar, "proxy"))["status"] == "error" and
                                 found["message"], 15, 0.05)
            assert message.startswith(f"nginx does not answer at {nginx.url}: "), message
            assert report(sidecar)[0] == 503
            assert is_ready(sidecar), "the service itself takes requests"
            assert figures(check_of(sidecar, "certificate")) == (60, nginx.end, nginx.url)


def test_service_away(tmp_path):
    """nginx up, nothing behind it: its 502 is an error that says where to look."""
    with front(tmp_path) as nginx, watching(tmp_path, {"PROXY_URL": nginx.url}) as sidecar:
        proxy = check_of(sidecar, "proxy")
        assert proxy["status"] == "error", proxy
        assert proxy["message"].startswith("nginx answers 502: it does not reach the service")
        assert check_of(sidecar, "certificate")["status"] == "ok"


@pytest.mark.parametrize("answer, status, expected", [
    ("return 404;", "warn", "nginx answers 404"), ("return 301 https://elsewhere/;", "warn", "nginx answers 301"),
    ("return 503;", "ok", None), ("return 504;", "error", "nginx answers 504"),
    ("return 444;", "error", "does not answer")])
def test_other_answers(tmp_path, answer, status, expected):
    """Only what the service says of itself is as good as ok."""
    with front(tmp_path, answer=answer) as nginx, watching(tmp_path, {"PROXY_URL": nginx.url}) as sidecar:
        proxy = check_of(sidecar, "proxy")
        assert proxy["status"] == status, proxy
        assert expected is None or expected in proxy["message"], proxy


def test_proxy_without_tls(tmp_path):
    """An http URL is asked too, and shows no certificate; TLS to a port without it is a fault, told."""
    with service_behind(tmp_path), front(tmp_path) as nginx:
        with watching(tmp_path, {"PROXY_URL": f"http://localhost:{nginx.plain}/"}) as sidecar:
            assert check_of(sidecar, "proxy")["status"] == "ok"
            assert check_of(sidecar, "certificate")["message"].startswith("not configured")
        with watching(tmp_path, {"PROXY_URL": f"https://127.0.0.1:{nginx.plain}"}) as sidecar:
            proxy = check_of(sidecar, "proxy")
            assert proxy["status"] == "error" and "does not answer" in proxy["message"]


def test_proxy_on_a_unix_socket(tmp_path):
    """For a sidecar without a network: asked by the name that clients use; a socket that is not there is told, and what
    is no path of a socket refused."""
    with service_behind(tmp_path), front(tmp_path) as nginx:
        url = f"unix:{nginx.folder}/plain.sock"
        with watching(tmp_path, {"PROXY_URL": url}) as sidecar:
            proxy = check_of(sidecar, "proxy")
            assert (proxy["status"], proxy["url"], proxy.get("message")) == ("ok", url, None)
            assert check_of(sidecar, "certificate")["message"].startswith("not configured")
            assert (nginx.folder / "seen.log").read_text() == "http localhost - /api/v1/health/ 200\n"
        with watching(tmp_path, {"PROXY_URL": f"unix:{tmp_path}/gone.sock"}) as sidecar:
            assert "No such file" in check_of(sidecar, "proxy")["message"]
    for url in ("unix:relative", "127.0.0.1:443", "unix:/" + 107 * "x"):
        refused = run_sidecar(tmp_path, "config", settings={"PROXY_URL": url})
        assert refused.returncode == 78 and "or unix:/path" in refused.stderr, refused


CERTIFICATES = [(60, "ok", None), (30, "ok", None), (20, "warn", "ends in 20 days"), (7, "warn", "ends in 7 days"),
                (3, "error", "ends in 3 days"), (0, "error", "ends in 0 days"), (-2, "error", "expired ")]


@pytest.mark.parametrize("days, status, message", CERTIFICATES)
def test_certificate(tmp_path, days, status, message):
    """Warned of from 30 days on, an error from 7 on; the same in what nginx shows and in a file."""
    with front(tmp_path, days) as nginx:
        file = str(nginx.folder / "cert.pem")
        for settings, source in (({"PROXY_URL": nginx.url}, nginx.url), ({"TLS_CERTIFICATE": file}, file)):
            with watching(tmp_path, settings) as sidecar:
                check = check_of(sidecar, "certificate")
                assert check["status"] == status, check
                assert message is None or check["message"].startswith(message) and "renew it" in check["message"]
                assert figures(check) == (days, nginx.end, source)


def test_certificate_files(tmp_path):
    """One that is not there, holds nothing, or is switched off; and one that is replaced is seen by itself."""
    place = tmp_path / "files"
    place.mkdir()
    file = tmp_path / "cert.pem"
    with watching(tmp_path, {"TLS_CERTIFICATE": str(file)}) as sidecar:
        missing = check_of(sidecar, "certificate")
        assert missing["status"] == "error" and f"{file}: No such file" in missing["message"]
        assert "TLS_CERTIFICATE" in missing["message"]
        file.write_text("no certificate\n")
        wait_until(lambda: "holds no certificate" in check_of(sidecar, "certificate")["message"])
        make_certificate(place, 90)
        os.replace(place / "cert.pem", file)
        wait_until(lambda: check_of(sidecar, "certificate")["status"] == "ok")
    with watching(tmp_path, {"TLS_CERTIFICATE": "off"}) as sidecar:
        assert check_of(sidecar, "certificate")["message"].startswith("not configured")
