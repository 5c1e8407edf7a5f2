"""The rate limit, slow and many clients, HTTP/2, and the log at the edge."""
import ipaddress
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack

import pytest

from edge import edge_and_service, edge_before, run_script, traffic
from load import NGINX, answers, free_port
from samples import SMALL
from service import wait_until, write_cvs
from test_edge_headers import check_headers
from upstream import response, upstream


@pytest.fixture(name="limited")
def _limited(tmp_path, site):
    """nginx with 6 requests a minute, before a service with two small CVs."""
    write_cvs(tmp_path, SMALL)
    with edge_and_service(tmp_path, site, own={"RATE_LIMIT": "6/m", "CORS_ALLOWED_ORIGINS": "https://app.example.org"}) as (edge, _):
        yield edge


def test_rate_limit(limited):
    """A burst of the full number, then 429 as the contract has it; health and pages go on; others have their own count."""
    statuses = [limited.ask("/api/v1/cvs/mina/") for _ in range(9)]
    assert [one.status for one in statuses] == [200] * 7 + [429] * 2
    assert statuses[0].header("RateLimit-Policy") == '"cvs";q=6;w=60'
    refused = limited.ask("/api/v1/cvs/", Origin="https://app.example.org")
    error = refused.json()["error"]
    assert (error["code"], error["message"], error["detail"]) == (429, "Too many requests", {"limit": 6, "window_seconds": 60})
    assert error["request_id"] == refused.header("X-Request-ID") and refused.header("Retry-After") == "10"
    assert refused.header("RateLimit-Policy") == '"cvs";q=6;w=60' and refused.header("X-Content-Type-Options") == "nosniff"
    assert refused.header("Access-Control-Allow-Origin") == "https://app.example.org"
    for target in ("/api/v1/cvs/%6Dina/", "/api//v1/cvs/mina/", "/api/v1/./cvs/mina/", "/api/v1/cvs/mina/?x=1", "/api/v1/x/../cvs/mina/",
                   "/api/v1/%63vs/mina/", "/api/v1/cvs/mina/pdf/"):
        refused = limited.ask(target)
        assert refused.status == 429 and refused.header("RateLimit-Policy") == '"cvs";q=6;w=60', target
        check_headers(refused, media="/pdf/" in target)
    for target in ("/api/v1/health/", "/", "/api/v1/openapi.json"):
        assert all(limited.ask(target).status == 200 for _ in range(10)), target


def test_rate_limit_is_off(tmp_path, site):
    """No limit, no header of it."""
    write_cvs(tmp_path, SMALL)
    with edge_and_service(tmp_path, site, own={"RATE_LIMIT": "off"}) as (edge, _):
        link = edge.connection()
        answers = [edge.ask("/api/v1/cvs/", over=link) for _ in range(300)]
        assert {one.status for one in answers} == {200} and answers[0].header("RateLimit-Policy") is None


@pytest.mark.parametrize("rate,line", [("5/s", "rate=5r/s"), ("100/m", "rate=100r/m"), ("6000/h", "rate=100r/m"), ("144000/d", "rate=100r/m")])
def test_rates(tmp_path, site, rate, line):
    """As nginx counts them."""
    with edge_before(tmp_path, site, {"RATE_LIMIT": rate}) as edge:
        assert line in (edge.folder / "conf/cv-backend.conf").read_text()
        assert f"burst={rate.split('/', maxsplit=1)[0]} nodelay" in (edge.folder / "conf/site.conf").read_text()


def maps_of(edge, address):
    """What the configuration makes of a client's address: the network that is logged, the key that is counted."""
    conf = edge.folder / "probe"
    conf.mkdir(exist_ok=True)
    port = free_port()
    text = (edge.folder / "conf/cv-backend.conf").read_text()
    maps = "".join(re.findall(r"^map \$remote_addr \$cv_(?:network|client) \{.*?^\}\n", text, re.M | re.S))
    temporary = "".join(f"{name}_temp_path {conf}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (conf / "nginx.conf").write_text(
        f"daemon off; pid {conf}/pid; events {{}} http {{ access_log off; {temporary} set_real_ip_from 127.0.0.1;"
        f"real_ip_header X-Real-IP; {maps.replace('$binary_remote_addr', '$remote_addr')}"
        f"server {{ listen 127.0.0.1:{port}; location / {{ return 200 '$cv_network $cv_client'; }} }} }}")
    process = subprocess.Popen([NGINX, "-c", conf / "nginx.conf", "-e", "stderr"])
    try:
        wait_until(lambda: process.poll() is not None or answers(("127.0.0.1", port)))
        return [subprocess.run(["curl", "-s", "-H", f"X-Real-IP: {one}", f"http://127.0.0.1:{port}/"], check=True, capture_output=True,
                               text=True).stdout.split() for one in address]
    finally:
        process.terminate()
        process.wait(10)


def test_addresses_are_cut(stack):
    """IPv4 to /24 in the log, IPv6 to /48; the limit counts the whole IPv4 address and the IPv6 /64."""
    addresses = ["203.0.113.77", "2001:db8:1:2:3:4:5:6", "2001:db8::1", "2001:db8:0:7::1", "2001:db8:5::", "fe80::1:2:3:4:5", "::1", "::5:6:7:8:9",
                 "::a:b:c:d:e:f", "2001::9", "2001:db8:1:2::", "2001:0:0:7:1:2:3:4", "0:0:5:7:1:2:3:4", "64:ff9b::203.0.113.77"]
    for address, (network, client) in zip(addresses, maps_of(stack, addresses)):
        ip = ipaddress.ip_address(address)
        if ip.version == 4:
            assert (network, client) == ("203.0.113.0", address)
            continue
        assert ipaddress.ip_address(network) == ipaddress.ip_network(f"{address}/48", strict=False).network_address, address
        wanted = ipaddress.ip_network(f"{address}/64", strict=False).network_address
        assert ipaddress.ip_address(client + "::") == wanted, (address, client)


def test_log(stack):
    """One JSON object a line: id, cache state, the upstream's times; no full address."""
    stack.talk(b"GET /api/v1/\xff HTTP/1.1\r\nHost: \xfe\r\nUser-Agent: \xfd\r\nConnection: close\r\n\r\n")
    answer = stack.ask("/api/v1/cvs/ramin/?focus=%22quoted%22", headers={"User-Agent": 'odd "\\ \u00e9'.encode("utf-8").decode("latin-1")})
    wanted = answer.header("X-Request-ID")
    line = json.loads(wait_until(lambda: next((one for one in stack.log().splitlines() if wanted in one), None)))
    assert line["client"] == "127.0.0.0" and line["status"] == 200 and line["method"] == "GET" and line["tls"] == "TLSv1.3"
    assert line["upstream_status"] == "200" and float(line["upstream_seconds"]) >= 0 and line["cache"] in ("MISS", "BYPASS")
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", line["time"]) and line["host"] == "localhost"
    assert all(json.loads(one) for one in stack.log().splitlines()), "each line is JSON, whatever was asked"
    assert "127.0.0.1" not in stack.log().replace('"host":"127.0.0.1"', "")
    assert f"request_id={wanted}" in wait_until(lambda: wanted in (text := stack.service.access_log.read_text()) and text)


HEAD = b"GET /api/v1/cvs/big/ HTTP/1.1\r\nHost: localhost\r\n"
# What a slow client sends; then it sends and reads nothing more.
SLOW = {"says nothing": b"", "half a head": HEAD, "half a body": HEAD + b"Content-Length: 1000\r\n\r\nx",
        "does not read": (HEAD + b"Accept-Encoding: identity\r\n\r\n") * 100}


@pytest.mark.parametrize("tls", [True, False])
def test_slow_clients_are_closed(tmp_path, site, tls):
    """Each at its deadline, ten seconds at the most and the end of what it has not read; others are served meanwhile."""
    text = "What nobody reads fills every buffer on the way. " * 20_000
    write_cvs(tmp_path, {**SMALL, "big.json": json.dumps({"basics": [{"fname": "Big", "lname": "One", "summary": text}]}).encode()})
    # Without TLS nginx but redirects there: it serves the API where a platform terminates TLS.
    more = {} if tls else {"TLS_CERTIFICATE": "off", "SECURE_SSL_REDIRECT": "false"}
    with edge_and_service(tmp_path, site, own={"RATE_LIMIT": "off", **more}) as (edge, _), ExitStack() as opened:
        def connected(data):
            link = socket.socket()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.settimeout(20)
            link.connect(("127.0.0.1", edge.https if tls else edge.http))
            if tls and data: # who says nothing does not even greet
                link = ssl.create_default_context(cafile=edge.authority).wrap_socket(link, server_hostname="localhost")
            link.sendall(data)
            opened.enter_context(link)

        for _ in range(50):
            for data in SLOW.values():
                connected(data)
        begun = time.monotonic()
        table = f"sport = :{edge.https if tls else edge.http}"
        while has_connections(table):
            assert time.monotonic() - begun < 15
            assert edge.ask("/api/v1/cvs/mina/").status == 200
            time.sleep(0.1)


def has_connections(table):
    """Whether nginx has any of those open that are not closed behind one answer, as edge.ask()'s are."""
    told = subprocess.run(["ss", "-Htn", "state", "established", table], check=True, capture_output=True, text=True).stdout
    return len(told.splitlines()) > 1


def test_http2(stack):
    """Many requests on one connection, and the same headers."""
    urls = [f"{stack.url}/api/v1/cvs/ramin/{part}" for part in ("", "skills/", "education/", "picture/", "pdf/")] * 4
    told = stack.curl("--http2", "--parallel", "-w", "%{http_version} %{http_code} %{num_connects}\n",
                      *[part for url in urls for part in ("-o", "/dev/null", url)])
    lines = told.split("\n")[:-1]
    assert len(lines) == 20 and all(line.startswith("2 200") for line in lines) and sum(int(line[-1]) for line in lines) <= 3
    assert "strict-transport-security: max-age=31536000" in stack.curl("--http2", "-I", f"{stack.url}/nothing")


def test_certificate_swap(tmp_path, site):
    """A new certificate by reload, under load: nothing is lost, and new connections see it."""
    write_cvs(tmp_path, SMALL)
    with edge_and_service(tmp_path, site, own={"RATE_LIMIT": "off"}) as (edge, _):
        def shown():
            with edge.tls(verify_mode=0) as link:
                return link.getpeercert(binary_form=True)

        before = shown()
        run_script("dev-certificate.sh", edge.folder / "other")
        both = edge.folder / "both.pem"
        both.write_text(edge.authority.read_text() + (edge.folder / "other/ca.pem").read_text())
        edge.authority = both
        with traffic(lambda: edge.ask("/api/v1/cvs/mina/").status == 200) as load:
            wait_until(lambda: load.count > 20)
            for name in ("cert.pem", "key.pem"):
                (edge.folder / "other" / name).rename(edge.folder / "tls" / name)
            edge.reload()
            wait_until(lambda: shown() != before)
            seen = load.count
            wait_until(lambda: load.count > seen + 20)
        assert load.lost == []


def test_hung_service_does_not_hang_the_edge(tmp_path, site):
    """It accepts and never answers: 504 within five seconds, for many at once."""
    never = threading.Event()
    with upstream(tmp_path / "query.sock", lambda _: never.wait(20) and response()):
        with edge_before(tmp_path, site, {"RATE_LIMIT": "off"}) as edge:
            begun = time.monotonic()
            threads = [threading.Thread(target=lambda n=n: found.append(edge.ask(f"/api/v1/cvs/p{n}/").status)) for n in range(20)]
            found = []
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            never.set()
            assert found == [504] * 20 and time.monotonic() - begun < 5
