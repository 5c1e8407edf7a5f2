"""The packages on a machine booted by systemd: from the first installation to the purge, in this order."""
import json
import os
import re
import subprocess
import time

import pytest

from machine import HOST, SOCKET, Load, Machine, need_machine
from service import PROGRAM, ROOT, SANITIZED, wait_until

pytestmark = pytest.mark.skipif(SANITIZED, reason="what is shipped is not instrumented")
NEXT = "1000.0.1"
SETTINGS = "/etc/cv-backend/cv-backend.env"


def build(folder, *arguments):
    """The packages, by name."""
    done = subprocess.run([ROOT / "scripts/package.sh", "--out", folder, *arguments], capture_output=True, text=True,
                          env={**os.environ, "CV_BIN_DIR": str(PROGRAM.parent)}, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {file.name.split("_")[0]: file for file in folder.glob("*.deb")}


@pytest.fixture(scope="module", name="packages")
def built_packages(tmp_path_factory):
    """Those of this version, and of the next."""
    need_machine()
    place = tmp_path_factory.mktemp("packages")
    return build(place / "now"), build(place / "next", "--quick", "--version", NEXT)


@pytest.fixture(scope="module", name="machine")
def started_machine():
    """One machine for all tests here, stopped behind them."""
    need_machine()
    machine = Machine()
    machine.call("stop")
    machine.call("start", timeout=400)
    try:
        yield machine
    finally:
        machine.call("stop")


@pytest.fixture(name="main_pid")
def the_main_pid(machine):
    """The arbiter's pid as systemd has it, at each call; between two of them the next one's."""
    return lambda: wait_until(lambda: int(machine.show("cv-query", "MainPID")), 5, 0.1)


def checks(machine):
    """The sidecar's report."""
    return json.loads(machine.curl("http://127.0.0.1:8001/health")[1])["checks"]


def answers(machine, target="/api/v1/cvs/ramin/"):
    """Whether the service answers on its socket."""
    return machine.ask(target)[0] == 200


def test_packages_are_reproducible(packages, tmp_path):
    """The same commit gives the same bytes."""
    for name, file in build(tmp_path, "--quick").items():
        assert file.read_bytes() == packages[0][name].read_bytes(), name


def test_first_installation(machine, packages):
    """Serves within seconds of the installation, for production, with a key of its own, and tells what is next."""
    told = machine.install(packages[0]["cv-backend"])
    begin = time.monotonic()
    status, body = machine.ask("/api/v1/cvs/", "-H", "Host: localhost")
    assert status == 200 and json.loads(body) == {"cvs": ["mahsa", "ramin"]}
    assert time.monotonic() - begin < 3
    assert "ALLOWED_HOSTS" in told and "cv-backend-nginx" in told
    assert machine.ask("/api/v1/cvs/")[0] == 400, "a host of nobody's"
    wait_until(lambda: machine.curl("http://127.0.0.1:8001/readyz")[0] == 200, 5)
    for path, mode in ((SETTINGS, "640 root:cv-backend"), ("/etc/cv-backend/secret-key", "640 root:cv-backend"),
                       ("/var/lib/cv-backend", "750 cv-backend:cv-backend"), (SOCKET, "666 root:root")):
        assert machine.run(f"stat -c '%a %U:%G' {path}") == mode, path
    assert machine.run(f"cv-query config --config {SETTINGS} | grep -c '^CV_ENV=production'") == "1"
    assert machine.run(f"cv-query healthcheck --config {SETTINGS}").endswith(": ready")
    assert re.fullmatch("[0-9a-f]{64}", machine.run(f"cv-health token --config {SETTINGS}"))


def test_units(machine):
    """Are clean, and as tight as promised where they run."""
    machine.run("systemd-analyze verify --man=no cv-query.service cv-health.service cv-query.socket cv-health.socket")
    for unit in ("cv-query", "cv-health"):
        machine.run(f"systemd-analyze security --no-pager --threshold=4 {unit}.service")
    assert machine.run("systemctl is-enabled cv-query.socket cv-query.service cv-health.socket cv-health.service"
                       ).split() == 4 * ["enabled"]


def test_own_cvs(machine):
    """A reload takes the admin's folder and names; a bad setting keeps the old ones and says so."""
    machine.run("mkdir -p /srv/cv-backend; cp -r /usr/share/cv-backend/data/. /srv/cv-backend/; "
                "cp /srv/cv-backend/cvs/mahsa.json /srv/cv-backend/cvs/mine.json; "
                f"sed -i 's/^ALLOWED_HOSTS=.*/ALLOWED_HOSTS={HOST}/; s/^#CV_DATA_DIR/CV_DATA_DIR/' {SETTINGS}; "
                f"echo RATE_LIMIT=off >>{SETTINGS}; systemctl reload cv-query; systemctl restart cv-health")
    wait_until(lambda: answers(machine, "/api/v1/cvs/mine/"), 5, 0.1)
    machine.run(f"echo TIMEOUT=never >>{SETTINGS}; systemctl reload cv-query")
    wait_until(lambda: "TIMEOUT" in checks(machine)["workers"].get("message", ""), 5, 0.1)
    assert answers(machine)
    machine.run(f"sed -i /^TIMEOUT=/d {SETTINGS}; systemctl reload cv-query")
    wait_until(lambda: "TIMEOUT" not in checks(machine)["workers"].get("message", ""), 5, 0.1)


PROBE = """
echo user $(id -un) $(sed -n 's/^CapEff:\t//p; s/^NoNewPrivs:\t/nnp /p; s/^Seccomp:\t/seccomp /p' /proc/self/status)
echo net $(ls /sys/class/net)
(exec 3<>/dev/tcp/127.0.0.1/8001) 2>/dev/null && echo tcp works
curl -sS --unix-socket /run/cv-backend/query.sock -o /dev/null -w 'unix %{http_code}\n' http://localhost/livez
for folder in $(find / -type d -not -path '/proc/*' -writable 2>/dev/null); do
  touch $folder/written 2>/dev/null && rm $folder/written && echo may write $folder
done
ls /root /home/* 2>/dev/null
ls -d /proc/1 2>/dev/null
true
"""
# Temporary folders are the unit's own and gone with it.
OWN = {"/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run/lock"}


@pytest.mark.parametrize("service, places", [
    ("cv-query", {"/run/cv-backend", "/var/lib/cv-backend"}), ("cv-health", set())])
def test_sandbox_from_inside(machine, tmp_path, service, places):
    """No network but unix sockets, no right of root's, nothing to be written but what is its own, nobody else seen."""
    machine.run("chmod 755 /root; touch /root/seen; install -d -m 755 /home/seen; touch /home/seen/too")
    told = machine.sandboxed(tmp_path, service, PROBE)
    machine.run("chmod 700 /root; rm -r /root/seen /home/seen")
    assert "user cv-backend 0000000000000000 nnp 1 seccomp 2" in told, told
    assert "net lo" in told and "unix 200" in told and "tcp works" not in told
    written = {line.removeprefix("may write ") for line in told if line.startswith("may write ")}
    written = {folder for folder in written if not folder.startswith("/run/cv-backend/query-")}
    assert places <= written and written <= places | OWN, told
    assert not {"/proc/1", "seen", "too"} & set(told), told


def test_network_drop_in(machine):
    """The documented drop-in opens the network, and goes without a trace."""
    document = (ROOT / "deploy/systemd/README.md").read_text(encoding="utf-8")
    drop_in = re.search(r"```ini\n(\[Service\]\n.*?)```", document, re.S)[1]
    place = "/etc/systemd/system/cv-query.service.d"
    machine.run(f"mkdir -p {place}; cat >{place}/network.conf <<'END'\n{drop_in}END\nsystemctl daemon-reload; "
                "systemctl restart cv-query")
    assert answers(machine) and machine.show("cv-query", "PrivateNetwork") == "no"
    assert "AF_INET" in machine.show("cv-query", "RestrictAddressFamilies")
    machine.run("ls -l /proc/$(systemctl show -P MainPID cv-query)/ns/net /proc/1/ns/net | sed 's/.*-> //' | uniq | "
                "wc -l | grep -x 1")
    machine.run(f"rm -r {place}; systemctl daemon-reload; systemctl restart cv-query")
    assert answers(machine) and machine.show("cv-query", "PrivateNetwork") == "yes"


def test_site(machine, packages):
    """Without a certificate nginx goes on as it was; with one the site is on, nginx runs without root, and the sidecar
    sees it. Behind it a change of the certificate needs one command."""
    told = machine.install(packages[0]["cv-backend-nginx"])
    assert "TLS_CERTIFICATE" in told and machine.show("nginx", "ActiveState") == "active"
    assert machine.run("ls /etc/nginx/conf.d") == ""
    make = ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days {days} -subj /CN={host} "
            "-addext subjectAltName=DNS:{host} -keyout /root/key.pem -out /root/cert.pem 2>/dev/null; ")
    machine.run(make.format(days=90, host=HOST) +
                f"sed -i 's|^#TLS_CERTIFICATE=.*|TLS_CERTIFICATE=/root/cert.pem|; "
                f"s|^#TLS_CERTIFICATE_KEY=.*|TLS_CERTIFICATE_KEY=/root/key.pem|' {SETTINGS}")
    refused = machine.call("exec", "update-cv-backend-nginx", check=False)
    assert refused.returncode == 78 and "--replace-default-site" in refused.stderr, refused
    assert machine.show("nginx", "ActiveState") == "active" and machine.run("ls /etc/nginx/conf.d") == ""
    machine.run("update-cv-backend-nginx --replace-default-site")
    assert machine.ask_site("/api/v1/cvs/ramin/")[0] == 200
    machine.run("systemctl restart nginx")  # as at a boot
    wait_until(lambda: machine.ask_site("/api/v1/cvs/ramin/")[0] == 200, 5, 0.1)
    status, page = machine.ask_site("/")
    assert status == 200 and "<html" in page
    machine.run("systemd-analyze verify --man=no nginx.service; "
                "systemd-analyze security --no-pager --threshold=14 nginx")
    assert set(machine.run("ps -o user= -C nginx").split()) == {"www-data"}
    report = wait_until(lambda: (found := checks(machine))["certificate"]["status"] == "ok" and found, 15, 0.2)
    assert report["proxy"]["status"] == "ok" and report["certificate"]["days_left"] == 89
    machine.run(make.format(days=20, host=HOST) + "/etc/letsencrypt/renewal-hooks/deploy/cv-backend-nginx")
    wait_until(lambda: machine.ask_site("/api/v1/")[0] == 200, 5, 0.1)  # curl trusts the new certificate alone
    wait_until(lambda: checks(machine)["certificate"]["status"] == "warn", 15, 0.2)
    wait_until(lambda: '"status":200' in machine.run("cat /var/log/cv-backend-nginx/access.log"), 5, 0.2)


def test_logs_are_rotated(machine):
    """The old one is kept, the new one written, and nginx can not make its folder lead elsewhere."""
    machine.install("logrotate")
    machine.run("logrotate -f /etc/logrotate.d/cv-backend-nginx")
    assert machine.ask_site("/api/v1/")[0] == 200
    wait_until(lambda: '"status":200' in machine.run("cat /var/log/cv-backend-nginx/access.log"), 5, 0.2)
    assert '"status":200' in machine.run("cat /var/log/cv-backend-nginx/access.log.1")
    assert machine.run("setpriv --reuid www-data --regid www-data --clear-groups find /var/log/cv-backend-nginx "
                       "/var/cache/cv-backend-nginx /var/lib/cv-backend-nginx -maxdepth 0 -writable") == ""


def test_what_nginx_does_not_take(machine):
    """What was there stays in force, also for the next start."""
    other = "/etc/nginx/conf.d/other.conf"
    machine.run(f"cat >{other} <<'END'\nserver {{ listen 9443 default_server; }}\nEND\n"
                f"systemctl reload nginx; echo HTTPS_PORT=9443 >>{SETTINGS}")
    refused = machine.call("exec", "update-cv-backend-nginx", check=False)
    assert refused.returncode == 78 and "9443" in refused.stderr, refused
    machine.run("nginx -t; systemctl restart nginx")
    wait_until(lambda: machine.ask_site("/api/v1/cvs/ramin/")[0] == 200, 5, 0.1)
    machine.run(f"rm {other}; sed -i /^HTTPS_PORT=9443/d {SETTINGS}; sed -i 's/^TLS_CERTIFICATE_KEY=/#&/' {SETTINGS}")
    refused = machine.call("exec", "update-cv-backend-nginx", check=False)
    assert refused.returncode == 78 and "TLS_CERTIFICATE_KEY" in refused.stderr, refused
    machine.run(f"sed -i 's/^#TLS_CERTIFICATE_KEY=/TLS_CERTIFICATE_KEY=/' {SETTINGS}; update-cv-backend-nginx")
    assert machine.ask_site("/api/v1/cvs/ramin/")[0] == 200


def test_other_sites_come_first(machine):
    """Where another site has a key for root alone, nginx is not left dead: the hardening is taken back, and told."""
    other, link = "/etc/nginx/conf.d/other.conf", "/etc/systemd/system/nginx.service.d/cv-backend.conf"
    machine.run(f"rm {link}; systemctl daemon-reload; systemctl restart nginx; cat >{other} <<'END'\n"
                "server { listen 9443 ssl; ssl_certificate /root/cert.pem; ssl_certificate_key /root/key.pem; }\nEND")
    told = machine.call("exec", "update-cv-backend-nginx").stderr
    assert "journalctl -u nginx" in told and machine.run(f"readlink {link}") == "/dev/null"
    wait_until(lambda: machine.ask_site("/api/v1/cvs/ramin/")[0] == 200, 5, 0.1)
    assert "root" in machine.run("ps -o user= -C nginx").split()
    assert machine.run("cat /var/lib/cv-backend-nginx/health.env").startswith("TLS_CERTIFICATE="), "no socket to ask at"
    machine.run(f"rm {other} {link}; update-cv-backend-nginx")
    assert set(machine.run("ps -o user= -C nginx").split()) == {"www-data"}


def test_kills(machine, main_pid):
    """A killed arbiter is back within two seconds, a killed nginx too; nothing refused on the socket meanwhile."""
    before = main_pid()
    machine.run(f"kill -9 {before}")
    begin = time.monotonic()
    assert answers(machine)
    wait_until(lambda: main_pid() != before, 5, 0.1)
    assert answers(machine) and time.monotonic() - begin < 2
    machine.run("kill -9 $(systemctl show -P MainPID nginx)")
    wait_until(lambda: machine.ask_site("/api/v1/cvs/ramin/")[0] == 200, 5, 0.1)
    machine.run("kill -9 $(systemctl show -P MainPID cv-health)")
    assert machine.curl("http://127.0.0.1:8001/livez")[0] == 200


def test_watchdog(machine, main_pid):
    """An arbiter that hangs is ended by systemd and replaced."""
    before = main_pid()
    period = int(machine.show("cv-query", "WatchdogUSec").removesuffix("s"))
    machine.run(f"kill -STOP {before}")
    assert answers(machine), "the workers serve on"
    wait_until(lambda: main_pid() != before, period + 10, 0.2)
    assert "watchdog" in machine.run("journalctl -u cv-query -n 100 -o cat | grep -i watchdog").lower()
    assert answers(machine)


def version(machine):
    """What dpkg says is installed."""
    return machine.run("dpkg-query -W -f '${Version} ' cv-backend cv-backend-nginx").split()


def test_upgrade_and_roll_back_under_load(machine, packages, tmp_path, main_pid):
    """To the next version, back, and reloads on the way: no request is refused or lost, settings and key stay."""
    kept = machine.run(f"cat {SETTINGS} /etc/cv-backend/secret-key")
    now = version(machine)
    with Load(machine, tmp_path):
        for packet, expected in ((packages[1], 2 * [NEXT]), (packages[0], now)):
            before = main_pid()
            machine.install(packet["cv-backend"], packet["cv-backend-nginx"])
            assert version(machine) == expected and main_pid() != before
            machine.run("systemctl reload cv-query nginx")
    assert machine.run(f"cat {SETTINGS} /etc/cv-backend/secret-key") == kept
    assert checks(machine)["workers"]["status"] == "ok"


def test_purge(machine):
    """nginx goes on without the site; of ours nothing stays but the user, and the admin's CVs, wherever they are."""
    machine.run("mkdir /var/lib/cv-backend/cvs; cp /srv/cv-backend/cvs/mine.json /var/lib/cv-backend/cvs/")
    machine.run("DEBIAN_FRONTEND=noninteractive dpkg --purge cv-backend-nginx")
    assert machine.show("nginx", "ActiveState") == "active" and answers(machine)
    assert machine.run("ps -o user= -C nginx | sort -u").split() == ["root", "www-data"], "as Debian has it"
    machine.run("DEBIAN_FRONTEND=noninteractive dpkg --purge cv-backend; systemctl daemon-reload")
    left = machine.run("find / /run -xdev \\( -name 'cv-*' -o -name '*cv-backend*' \\) -not -path '/proc/*' "
                       "-not -path '/var/cache/lab*' -not -path '/root/*' -not -name '*sandboxed-*'").splitlines()
    assert sorted(left) == ["/srv/cv-backend", "/var/lib/cv-backend"], left
    assert machine.run("find /var/lib/cv-backend -type f") == "/var/lib/cv-backend/cvs/mine.json"
    assert machine.run("ls /srv/cv-backend/cvs | wc -l") == "6"
    assert "cv-query" not in machine.run("systemctl list-units --all --no-legend 'cv-*'")
