"""scripts/render-proxy.sh: what each setting does to nginx's configuration, and that a bad one changes nothing."""
import itertools
import os
import re
import socket
import ssl
import subprocess
import threading

import pytest

from edge import edge_and_service, edge_before, run_script, traffic
from samples import SMALL
from service import PROGRAM, ROOT, environment, make_folders, wait_until, write_cvs
from upstream import response, upstream
from wire import read_head

GOOD_KEY = "correct horse battery staple, and 50 letters at the least"


def rendering(folder, **settings):
    """Settings under which a configuration can be written, and the script's arguments."""
    make_folders(folder)
    run_script("dev-certificate.sh", folder / "tls")
    (folder / "error.html").touch()
    return {**environment(folder, None), "BIND": f"unix:{folder}/query.sock", "TLS_CERTIFICATE": f"{folder}/tls/cert.pem",
            "TLS_CERTIFICATE_KEY": f"{folder}/tls/key.pem", **settings}


def render(folder, code=0, **settings):
    """The rendered files by name, or what was said."""
    finished = run_script("render-proxy.sh", "--out", folder / "conf", "--site", folder, "--logs", folder / "logs",
                          settings=rendering(folder, **settings), code=code)
    return finished.stderr if code else {path.name: path.read_text("utf-8") for path in (folder / "conf").glob("*.conf")}


def test_production(tmp_path):
    """Unknown names are refused at the handshake; the ports are the usual ones on all addresses."""
    files = render(tmp_path, CV_ENV="production", ALLOWED_HOSTS="cv.example.org,.example.net")
    servers = files["servers.conf"]
    assert "ssl_reject_handshake on;" in servers and "server_name  cv.example.org .example.net;" in servers
    assert "listen 443 ssl http2;" in servers and "listen 80 default_server" in servers
    assert "return 301 https://$host$request_uri;" in servers


@pytest.mark.parametrize("setting,value,file,line", [
    ("SECURE_HSTS_SECONDS", "0", "cv-backend.conf", 'on "";'),
    ("SECURE_HSTS_PRELOAD", "true", "cv-backend.conf", "max-age=31536000; includeSubDomains; preload"),
    ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "no", "cv-backend.conf", 'on "max-age=31536000";'),
    ("SESSION_COOKIE_SECURE", "false", "upstream.conf", "proxy_cookie_flags ~ httponly samesite=lax;"),
    ("CSRF_COOKIE_SECURE", "true", "upstream.conf", "proxy_cookie_flags ~ httponly samesite=lax secure;"),
    ("SITE_INDEXING", "true", "site.conf", "Allow: /"), ("KEEPALIVE", "33", "common.conf", "keepalive_timeout 33s;"),
    ("KEEPALIVE", "33", "cv-backend.conf", "keepalive_timeout 28s;"), ("HTTPS_PORT", "9443", "servers.conf", "https://$host:9443$request_uri"),
    ("PROXY_UPSTREAM", "127.0.0.1:9000,[::1]:9001", "cv-backend.conf", "server [::1]:9001 max_fails=0;"),
    ("BIND", "0.0.0.0:8123", "cv-backend.conf", "server 127.0.0.1:8123 max_fails=0;"),
    ("BIND", "127.0.0.1:8000,unix:/run/q.sock", "cv-backend.conf", "server unix:/run/q.sock max_fails=0;"),
    ("SECURITY_CONTACT", "https://example.org/security", "site.conf", "Contact: https://example.org/security"),
    ("KEEPALIVE", "010", "common.conf", "keepalive_timeout 10s;"), ("ALLOWED_HOSTS", "a" * 60 + "." + "b" * 60 + ".run.app", "servers.conf", "b.run.app;"),
    ("RATE_LIMIT", "090/m", "cv-backend.conf", "rate=90r/m;"), ("RATE_LIMIT", "100/h", "common.conf", "Retry-After: 60"),
    ("FORWARDED_ALLOW_IPS", "*", "servers.conf", "server_name"), ("ALLOWED_HOSTS", "*", "servers.conf", "server_name  ~.;"),
])
def test_settings(tmp_path, setting, value, file, line):
    """nginx took the configuration, and the line is there."""
    assert line in render(tmp_path, **{setting: value})[file]


@pytest.mark.parametrize("settings,said", [
    ({"TLS_CERTIFICATE": None}, "TLS_CERTIFICATE is required where nginx terminates TLS"),
    ({"TLS_CERTIFICATE": "/nowhere.pem"}, "cannot be read"), ({"TLS_CERTIFICATE_KEY": "/etc/hostname"}, "nginx does not take"),
    ({"TLS_CERTIFICATE": "/a b.pem"}, "path with spaces"), ({"RATE_LIMIT": "1/d"}, "one a minute"), ({"HTTPS_PORT": "x"}, "HTTPS_PORT"),
    ({"SECURITY_CONTACT": "mailto:a;b"}, "SECURITY_CONTACT"), ({"CV_ENV": "production", "ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is required"),
])
def test_bad_settings(tmp_path, settings, said):
    """One line that names the setting; the configuration of before stays."""
    before = render(tmp_path)
    wanted = {name: value for name, value in rendering(tmp_path, **settings).items() if value is not None}
    finished = run_script("render-proxy.sh", "--out", tmp_path / "conf", "--site", tmp_path, "--logs", tmp_path / "logs", settings=wanted, code=78)
    assert said in finished.stderr
    assert {path.name: path.read_text("utf-8") for path in (tmp_path / "conf").glob("*.conf")} == before


@pytest.mark.parametrize("name", ["a[1]", "a*", "what?", "a b", "a;b"])
def test_paths_that_nginx_reads_otherwise(tmp_path, name):
    """Refused, and nothing is written that could not be started."""
    settings = rendering(tmp_path)
    finished = run_script("render-proxy.sh", "--out", tmp_path / name, "--site", tmp_path, settings=settings, code=78)
    assert "is none for nginx" in finished.stderr and not list((tmp_path / name).glob("*.conf"))


def test_the_cache_leaves_its_disk_room(tmp_path):
    """Both stores together take at most half of what is free; each answer is served where there is little."""
    settings = rendering(tmp_path)
    (tmp_path / "work").mkdir()
    inside = 'mount -t tmpfs -o size=40m none "$1/work" && "$2" --out "$1/conf" --work "$1/work" --site "$1"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-ec", inside, "sh", tmp_path, ROOT / "scripts/render-proxy.sh"]
    subprocess.run(command, env={"PATH": os.environ["PATH"], "CV_BIN_DIR": str(PROGRAM.parent), **settings}, check=True, timeout=60)
    text = (tmp_path / "conf/cv-backend.conf").read_text("utf-8")
    sizes = list(map(int, re.findall(r"max_size=(\d+)m", text)))
    assert len(sizes) == 2 and 15 <= sum(sizes) <= 20
    sizes = map(int, re.findall(r"max_size=(\d+)m", render(tmp_path)["cv-backend.conf"]))
    assert sum(sizes) <= 1280


def test_usage(tmp_path):
    """Help, and what is wrong with arguments."""
    script = ROOT / "scripts/render-proxy.sh"
    for arguments, code in ((["--help"], 0), ([], 64), (["--out"], 64), (["--what", "x"], 64)):
        finished = subprocess.run([script, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert finished.returncode == code
        assert ("usage: scripts/render-proxy.sh" in finished.stdout) == (code == 0) and bool(finished.stderr) == (code != 0)


def test_names_and_handshakes(tmp_path, site):
    """With names alone in ALLOWED_HOSTS, nobody else gets a handshake."""
    write_cvs(tmp_path, SMALL)
    with edge_and_service(tmp_path, site, {"ALLOWED_HOSTS": "localhost,.example.org"}) as (edge, _):
        for name in ("localhost", "example.org", "a.b.example.org", "LOCALHOST"):
            edge.tls(name, check_hostname=False, verify_mode=ssl.CERT_NONE).close()
        for name in ("other.org", "127.0.0.1", "localhost.evil.org", None):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                edge.tls(name, verify_mode=ssl.CERT_NONE).close()
        assert edge.talk(b"GET /api/v1/cvs/ HTTP/1.1\r\nHost: other.org\r\n\r\n") == b"", "the Host does not follow the name"
        assert edge.talk(b"GET /api/v1/cvs/ HTTP/1.1\r\nHost: A.example.org:77\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def plain_ask(edge, target, *lines, host="localhost"):
    """Status and headers over plain HTTP, as a platform in front asks."""
    data = "\r\n".join([f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]) + "\r\n\r\n"
    told = edge.talk(data.encode(), tls=False)
    return read_head(told.split(b"\r\n\r\n", 1)[0]) if told else (None, [])


def test_plain_behind_a_platform(tmp_path, site):
    """TLS_CERTIFICATE=off: scheme, client and id are believed of the platform alone; PORT overrides HTTP_PORT."""
    write_cvs(tmp_path, SMALL)
    own = {"TLS_CERTIFICATE": "off", "SECURE_SSL_REDIRECT": "true", "RATE_LIMIT": "2/m"}
    with edge_and_service(tmp_path, site, {"SECURE_SSL_REDIRECT": "true"}, own) as (edge, service):
        https = "X-Forwarded-Proto: https"
        status, headers = plain_ask(edge, "/api/v1/cvs/mina?lang=de")
        assert status == 301 and ("Location", "https://localhost/api/v1/cvs/mina?lang=de") in headers
        assert plain_ask(edge, "/", "Content-Length: 1")[0] == 400 and plain_ask(edge, "/", "Transfer-Encoding: chunked")[0] == 400
        status, headers = plain_ask(edge, "/api/v1/cvs/mina/", https, "X-Request-ID: theirs-1", "X-Forwarded-For: 203.0.113.9")
        told = dict(headers)
        assert status == 200 and told["X-Request-ID"] == "theirs-1" and told["Strict-Transport-Security"].startswith("max-age=")
        assert wait_until(lambda: '"client":"203.0.113.0"' in edge.log()) and plain_ask(edge, "/", https)[0] == 200
        assert plain_ask(edge, "/api/v1/health/")[0] == 200 and plain_ask(edge, "/api/v1/health/", host="10.0.0.7")[0] == 200
        assert plain_ask(edge, "/api/v1/cvs/", https, host="evil.example")[0] is None

        def limited(client):
            return [plain_ask(edge, "/api/v1/cvs/", https, f"X-Forwarded-For: {client}")[0] for _ in range(4)]

        assert limited("::ffff:203.0.113.1") == [200, 200, 200, 429] and limited("::ffff:203.0.113.2")[0] == 200
        edge.render(PORT="8099")
        servers = (edge.folder / "conf/servers.conf").read_text()
        assert ":8099 default_server" in servers and f":{edge.http}" not in servers
        del edge.settings["PORT"]
        edge.render(FORWARDED_ALLOW_IPS="192.0.2.1")
        edge.reload()
        wait_until(lambda: plain_ask(edge, "/api/v1/cvs/mina/", https)[0] == 301)
        assert service.process.poll() is None


def test_a_name_is_looked_up_again(tmp_path, site):
    """PROXY_UPSTREAM=NAME:PORT asks through the resolver of /etc/resolv.conf, and says so when there is none."""
    try:
        with open("/etc/resolv.conf", encoding="utf-8") as lines:
            known = any(line.startswith("nameserver") for line in lines)
    except FileNotFoundError:
        known = False
    settings = rendering(tmp_path, PROXY_UPSTREAM="query:8000")
    finished = run_script("render-proxy.sh", "--out", tmp_path / "conf", "--site", site, settings=settings, code=0 if known else 78)
    if not known:
        assert "/etc/resolv.conf has no nameserver" in finished.stderr
        return
    text = (tmp_path / "conf/cv-backend.conf").read_text()
    assert "valid=5s;" in text and "default query:8000;" in text
    assert "proxy_pass http://$cv_upstream;" in (tmp_path / "conf/upstream.conf").read_text()


def test_the_sidecars_way_in(tmp_path, site):
    """--probe-socket: the health report and nothing else."""
    path = str(tmp_path / "probe.sock")
    with upstream(tmp_path / "query.sock", lambda _: response(b'{"status":"healthy"}')):
        with edge_before(tmp_path, site) as edge:
            run_script("render-proxy.sh", "--out", edge.folder / "conf", "--work", edge.folder / "work", "--site", site, "--logs",
                       edge.folder / "logs", "--probe-socket", path, settings=edge.settings)
            edge.reload()
            for target, said in (("/api/v1/health/", b"HTTP/1.1 200"), ("/api/v1/cvs/", b"")):
                with socket.socket(socket.AF_UNIX) as link:
                    wait_until(lambda: os.path.exists(path))
                    link.connect(path)
                    link.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                    assert link.recv(12) == said


def test_several_listeners(tmp_path, site):
    """TCP upstreams work as unix ones do; one that is away is passed over."""
    write_cvs(tmp_path, SMALL)
    with edge_and_service(tmp_path, site, {"BIND": "127.0.0.1:0"}, {"BIND": "127.0.0.1:1"}) as (edge, service):
        edge.render(PROXY_UPSTREAM=f"127.0.0.1:1,127.0.0.1:{service.address[1]}", RATE_LIMIT="off")
        edge.reload()
        wait_until(lambda: edge.ask("/api/v1/cvs/").status == 200)
        assert all(edge.ask(f"/api/v1/cvs/?limit={n}").status == 200 for n in range(1, 30))


def test_workers_killed_behind_it(tmp_path, site):
    """kill -9 of workers and reloads under load: nothing is lost, cached or not."""
    write_cvs(tmp_path, SMALL)
    with edge_and_service(tmp_path, site, {"WEB_CONCURRENCY": "3"}, {"RATE_LIMIT": "off"}) as (edge, service):
        links, numbers = {}, itertools.count()

        def question():
            link = links.setdefault(threading.get_ident(), edge.connection())
            number = next(numbers)
            target = "/api/v1/cvs/mina/" if number % 2 else f"/api/v1/cvs/mina/?nonce={number}"
            return edge.ask(target, over=link).status == 200

        with traffic(question, clients=4) as load:
            for _ in range(6):
                before = load.count
                killed = wait_until(lambda: service.children("worker"))[0]
                os.kill(killed, 9)
                wait_until(lambda: killed not in service.children("worker") and load.count > before + 60)
            edge.reload()
            before = load.count
            wait_until(lambda: load.count > before + 40)
        assert load.lost == [], load.lost[:5]
