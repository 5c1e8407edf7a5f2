"""The command line: help, version, settings with their sources, and exit codes."""
import os
import re
import socket
import subprocess

import pytest

from samples import SMALL
from service import PROGRAM, ROOT, run_program, running, write_cvs

SETTINGS = (
    "CV_ENV SECRET_KEY DEBUG ALLOWED_HOSTS CORS_ALLOWED_ORIGINS DATABASE_URL REDIS_URL SENTRY_DSN CV_DATA_DIR "
    "CV_STATE_DIR CV_RUN_DIR BIND PORT WEB_CONCURRENCY MAX_REQUESTS MAX_REQUESTS_JITTER TIMEOUT GRACEFUL_TIMEOUT "
    "KEEPALIVE ACCESS_LOG ERROR_LOG LOG_LEVEL LOG_FORMAT PROC_NAME FORWARDED_ALLOW_IPS SECURE_SSL_REDIRECT "
    "SECURE_PROXY_SSL_HEADER SECURE_HSTS_SECONDS SECURE_HSTS_INCLUDE_SUBDOMAINS SECURE_HSTS_PRELOAD "
    "SESSION_COOKIE_SECURE CSRF_COOKIE_SECURE RATE_LIMIT HTTP_PORT HTTPS_PORT TLS_CERTIFICATE TLS_CERTIFICATE_KEY "
    "PROXY_UPSTREAM PROXY_URL SECURITY_CONTACT SITE_INDEXING SIDECAR_BIND").split()
GOOD_KEY = "correct horse battery staple, and 50 letters at the least"
PRODUCTION = {"CV_ENV": "production", "SECRET_KEY": GOOD_KEY, "ALLOWED_HOSTS": "cv.example.org"}
# Name, a value that is not allowed, and what the line must say of the allowed ones.
BAD_SETTINGS = [
    ("CV_ENV", "staging", "production.*development.*testing"), ("DEBUG", "maybe", "true|false"),
    ("ALLOWED_HOSTS", "https://cv.example.org", "host|name"), ("ALLOWED_HOSTS", "cv example", "host|name"),
    ("ALLOWED_HOSTS", "cv.example.org/x", "host|name"), ("ALLOWED_HOSTS", " , ", "host|name"), ("ALLOWED_HOSTS", "cv.example.org:443", "host|name"),
    ("CORS_ALLOWED_ORIGINS", "app.example.org", "origin|https"),
    ("CORS_ALLOWED_ORIGINS", "https://app.example.org/x", "origin|https"),
    ("CORS_ALLOWED_ORIGINS", "ftp://app.example.org", "origin|https"),
    ("BIND", "127.0.0.1:99999", "port|address|unix"), ("BIND", "127.0.0.1:http", "port|address|unix"),
    ("BIND", "300.0.0.1:80", "port|address|unix"), ("BIND", "unix:", "port|address|unix"),
    ("BIND", "[::1:80", "port|address|unix"), ("PORT", "0x50", r"\d"), ("PORT", "65536", r"\d"),
    ("PORT", "-1", r"\d"), ("WEB_CONCURRENCY", "0", r"\d|number"), ("WEB_CONCURRENCY", "-2", r"\d|number"),
    ("WEB_CONCURRENCY", "1.5", r"\d|number"), ("WEB_CONCURRENCY", "many", r"\d|number"),
    ("MAX_REQUESTS", "-1", r"number|\d"), ("MAX_REQUESTS", "often", r"number|\d"),
    ("MAX_REQUESTS_JITTER", "x", r"number|\d"), ("TIMEOUT", "soon", "second|number"),
    ("TIMEOUT", "-30", "second|number"), ("GRACEFUL_TIMEOUT", "-5", "second|number"),
    ("GRACEFUL_TIMEOUT", "30s", "second|number"), ("KEEPALIVE", "1e3", "second|number"),
    ("LOG_LEVEL", "loud", "info"), ("LOG_FORMAT", "xml", "verbose.*json"),
    ("LOG_FORMAT", "JSON ", "verbose.*json"), ("FORWARDED_ALLOW_IPS", "300.1.1.1", "address|network"),
    ("FORWARDED_ALLOW_IPS", "10.0.0.0/33", "address|network"),
    ("FORWARDED_ALLOW_IPS", "proxy.example.org", "address|network"),
    ("FORWARDED_ALLOW_IPS", "1.2.3", "address|network"),
    ("SECURE_SSL_REDIRECT", "perhaps", "true|false"), ("SECURE_PROXY_SSL_HEADER", "https", "NAME|name|:"),
    ("SECURE_PROXY_SSL_HEADER", "X Y: https", "NAME|name|:"), ("SECURE_HSTS_SECONDS", "-1", "second|number"),
    ("SECURE_HSTS_SECONDS", "a year", "second|number"), ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "2", "true|false"),
    ("SECURE_HSTS_PRELOAD", "si", "true|false"), ("SESSION_COOKIE_SECURE", "nah", "true|false"),
    ("CSRF_COOKIE_SECURE", "x", "true|false"), ("RATE_LIMIT", "fast", "off"), ("RATE_LIMIT", "100/fortnight", "off"),
    ("RATE_LIMIT", "-1/m", "off"), ("RATE_LIMIT", "59/h", "one a minute"),
    ("RATE_LIMIT", "1439/d", "one a minute"), ("PROXY_UPSTREAM", "query", "unix.*NAME:PORT"),
    ("PROXY_UPSTREAM", "unix:query.sock", "unix.*NAME:PORT"), ("PROXY_UPSTREAM", "query:80,other:80", "unix.*NAME:PORT"),
    ("PROXY_UPSTREAM", "unix:/run/a;b", "unix.*NAME:PORT"), ("PROXY_UPSTREAM", "127.0.0.1:0", "unix.*NAME:PORT"), ("HTTP_PORT", "70000", r"\d"), ("HTTPS_PORT", "https", r"\d"),
    ("PROXY_URL", "ftp://127.0.0.1", "http"), ("SITE_INDEXING", "please", "true|false"),
    ("SIDECAR_BIND", "127.0.0.1:99999", "port|address|unix"),
]
BAD_KEYS = ["too short", "a" * 60, "abcd" * 20, "insecure-" + GOOD_KEY, "x" * 49 + "y", "Django-Insecure" + GOOD_KEY]


def complaint(finished, code=78):
    """The one line on standard error of a program that ended with this code."""
    assert finished.returncode == code, finished
    lines = finished.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def shown(finished, name):
    """The line of `cv-query config` about this setting."""
    assert finished.returncode == 0, finished
    lines = [line for line in finished.stdout.splitlines() if re.match(rf"\s*{name}\b", line)]
    assert len(lines) == 1, (name, finished.stdout)
    return lines[0]


def flag(folder, name):
    """The flag of a setting, as --help shows it beside the name."""
    told = run_program(folder, "--help").stdout
    found = re.search(rf"(--[a-z-]+)[^\n]*\[{name}\]", told)
    assert found, f"no flag for {name}"
    return found[1]


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["check", "--help"], ["config", "--help"]])
def test_help(tmp_path, arguments):
    """--help works everywhere, without any setting, and exits with 0."""
    finished = run_program(tmp_path, *arguments, bare=True)
    assert finished.returncode == 0 and "--help" in finished.stdout


def test_help_names_every_setting(tmp_path):
    """Each setting, and beside it its flag; and every command."""
    told = run_program(tmp_path, "--help", bare=True).stdout
    for name in SETTINGS:
        assert re.search(rf"\b{name}\b", told), name
        assert flag(tmp_path, name) == "--" + name.lower().replace("_", "-")
    for command in ("load", "check", "config"):
        assert re.search(rf"\b{command}\b", told), command


@pytest.mark.parametrize("arguments", [["--version"], ["load", "--version"], ["config", "--version"]])
def test_version(tmp_path, arguments):
    """--version works everywhere: one line with the name and the number."""
    finished = run_program(tmp_path, *arguments, bare=True)
    assert finished.returncode == 0
    assert re.fullmatch(r"cv-query \d+\.\d+\.\d+\S*\n", finished.stdout)


def test_config_shows_every_setting(tmp_path):
    """Every setting once, with its effective value; nothing else is called a setting."""
    finished = run_program(tmp_path, "config")
    names = set(re.findall(r"^\s*([A-Z][A-Z0-9_]+)\b", finished.stdout, re.M))
    assert names == set(SETTINGS)
    assert "testing" in shown(finished, "CV_ENV")
    assert "verbose" in shown(finished, "LOG_FORMAT")
    assert "75" in shown(finished, "KEEPALIVE")


@pytest.mark.parametrize("settings", [{"SECRET_KEY": GOOD_KEY}, {}])
def test_config_hides_secrets(tmp_path, settings):
    """The key is never shown, neither a given one nor the fixed one of development."""
    finished = run_program(tmp_path, "config", settings=settings)
    assert re.search(r"hidden|redacted|\*\*\*", shown(finished, "SECRET_KEY"))
    assert GOOD_KEY not in finished.stdout + finished.stderr


def test_sources_and_their_order(tmp_path):
    """Flag before environment before NAME_FILE before settings file before default, each told."""
    flags = flag(tmp_path, "LOG_LEVEL")
    (tmp_path / "level").write_text("error\n")
    (tmp_path / "settings.env").write_text("# a comment\n\nLOG_LEVEL=debug\nKEEPALIVE=11\n")
    config = ["--config", tmp_path / "settings.env"]
    from_file = {"LOG_LEVEL_FILE": str(tmp_path / "level")}
    from_environment = {**from_file, "LOG_LEVEL": "warning"}
    for arguments, settings, value, source in (
            ([*config, flags, "critical"], from_environment, "critical", "flag|command"),
            (config, from_environment, "warning", "environment"),
            (config, from_file, "error", "LOG_LEVEL_FILE|file"), (config, {}, "debug", "settings.env|file"),
            ([], {}, "info", "default")):
        line = shown(run_program(tmp_path, "config", *arguments, settings=settings), "LOG_LEVEL")
        assert re.search(rf"\b{value}\b", line) and re.search(source, line), line
    assert re.search(r"\b11\b", shown(run_program(tmp_path, "config", *config), "KEEPALIVE"))


def test_secret_from_a_file(tmp_path):
    """SECRET_KEY_FILE: the file holds the value, a newline at its end does not count."""
    (tmp_path / "key").write_text(GOOD_KEY + "\n")
    settings = {**PRODUCTION, "SECRET_KEY": None, "SECRET_KEY_FILE": str(tmp_path / "key")}
    finished = run_program(tmp_path, "config", settings=settings)
    assert "SECRET_KEY_FILE" in shown(finished, "SECRET_KEY")
    assert GOOD_KEY not in finished.stdout + finished.stderr


@pytest.mark.parametrize("content", [None, "", "short\n"])
def test_secret_from_a_bad_file(tmp_path, content):
    """A file that is missing, empty or holds a bad key stops the program."""
    if content is not None:
        (tmp_path / "key").write_text(content)
    settings = {**PRODUCTION, "SECRET_KEY": None, "SECRET_KEY_FILE": str(tmp_path / "key")}
    assert "SECRET_KEY" in complaint(run_program(tmp_path, settings=settings))


@pytest.mark.parametrize("name, value, allowed", BAD_SETTINGS)
@pytest.mark.parametrize("command", [[], ["config"]], ids=["serve", "config"])
def test_a_bad_value(tmp_path, name, value, allowed, command):
    """Exit 78 and one line that names the setting, the value and what is allowed."""
    line = complaint(run_program(tmp_path, *command, settings={name: value}))
    assert re.search(rf"\b{name}\b", line) and value in line
    assert re.search(allowed, line.partition(value)[2]), line


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_bad_secret(tmp_path, key):
    """At least 50 characters, 5 different ones, not `insecure`; the key is not repeated."""
    finished = run_program(tmp_path, settings={**PRODUCTION, "SECRET_KEY": key})
    line = complaint(finished)
    assert "SECRET_KEY" in line and key not in line and "50" in line


@pytest.mark.parametrize("name, value", [
    ("DATABASE_URL", "postgresql://cv:s3cr3t-pw@db/cv"), ("REDIS_URL", "redis://:s3cr3t-pw@cache/0"),
    ("SENTRY_DSN", "https://s3cr3t-pw@sentry.example.org/1")])
def test_what_is_not_there_yet(tmp_path, name, value):
    """A setting that this version cannot honour is refused, and its secret not repeated."""
    line = complaint(run_program(tmp_path, settings={name: value}))
    assert name in line and "s3cr3t-pw" not in line


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_production_needs(tmp_path, missing):
    """What production requires has no default."""
    settings = {**PRODUCTION, missing: None}
    assert missing in complaint(run_program(tmp_path, settings=settings))


def test_production_refuses_the_development_key(tmp_path):
    """A key that is published with the source protects nothing."""
    table = (ROOT / "libs/config/table.cpp").read_text("utf-8")
    key = re.search(r'development_secret_key =\s*"([^"]+)"', table)[1]
    line = complaint(run_program(tmp_path, settings={**PRODUCTION, "SECRET_KEY": key}))
    assert "SECRET_KEY" in line and key not in line


def test_unknown_names_warn(tmp_path):
    """An unknown CV_* name is told and does no harm."""
    write_cvs(tmp_path, SMALL)
    (tmp_path / "settings.env").write_text("CV_STATEDIR=x\n")
    finished = run_program(tmp_path, "load", "--config", tmp_path / "settings.env",
                           settings={"CV_DATADIR": "x", "ANYTHING_ELSE": "x"})
    assert finished.returncode == 0
    for name in ("CV_DATADIR", "CV_STATEDIR"):
        assert sum(name in line for line in finished.stderr.splitlines()) == 1, finished.stderr
    assert "ANYTHING_ELSE" not in finished.stdout + finished.stderr


@pytest.mark.parametrize("arguments", [
    ["--no-such-flag"], ["nonsense"], ["load", "--no-such-flag"], ["--config"], ["check", "--nope"], ["-Z"]])
def test_wrong_usage(tmp_path, arguments):
    """Exit 64, told on standard error."""
    finished = run_program(tmp_path, *arguments)
    assert finished.returncode == 64 and finished.stderr.strip() and not finished.stdout


def test_a_settings_file_that_is_missing(tmp_path):
    """A settings file that is named and cannot be read is an error."""
    line = complaint(run_program(tmp_path, "config", "--config", tmp_path / "none.env"))
    assert "none.env" in line


def test_a_busy_port(tmp_path):
    """Exit 69 and one line with the address."""
    write_cvs(tmp_path, SMALL)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = complaint(run_program(tmp_path, settings={"BIND": address}), 69)
    assert address in line


def check_names(names):
    """Every setting is there; besides there may be the NAME_FILE of one."""
    known = {f"{name}_FILE" for name in SETTINGS}
    assert set(names) - known == set(SETTINGS)


def test_config_for_a_shell(tmp_path):
    """A shell that reads it has every value as it is, but for the secret ones; what is missing is told."""
    shell = ["bash", "-c", 'eval "$1" && printf "%s\\n" "$PROC_NAME" "$ALLOWED_HOSTS" "$TLS_CERTIFICATE"', "-"]
    odd = "/tls/it's $HOME `id` \"x\".pem"
    settings = {**PRODUCTION, "PROC_NAME": "x.y", "TLS_CERTIFICATE": odd}
    finished = run_program(tmp_path, "config", "--env", settings=settings)
    assert finished.returncode == 0 and GOOD_KEY not in finished.stdout and "SECRET_KEY" not in finished.stdout
    read = subprocess.run([*shell, finished.stdout], capture_output=True, text=True, check=True)
    assert read.stdout == f"x.y\ncv.example.org\n{odd}\n"
    without_key = run_program(tmp_path, "config", "--env", settings={**PRODUCTION, "SECRET_KEY": None})
    assert without_key.returncode == 0, "nginx needs none"
    finished = run_program(tmp_path, "config", "--env", settings={**PRODUCTION, "ALLOWED_HOSTS": None})
    assert finished.returncode == 78 and "ALLOWED_HOSTS is required" in finished.stderr


def test_documents_name_every_setting():
    """`.env.example` and docs/settings.md have each setting, and no other."""
    example = (ROOT / ".env.example").read_text("utf-8")
    check_names(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", example, re.M))
    table = (ROOT / "docs/settings.md").read_text("utf-8")
    rows = "\n".join(re.findall(r"^\|([^|]*)\|", table, re.M))
    check_names(re.findall(r"`([A-Z][A-Z0-9_]+)`", rows))


def test_healthcheck(tmp_path):
    """Ready: 0. Not ready, nobody there, somebody who never answers: 1, and why."""
    write_cvs(tmp_path, SMALL)
    path = str(tmp_path / "cv.sock")
    with running(tmp_path, {"BIND": f"127.0.0.1:0,unix:{path}"}) as service:
        bind = f"127.0.0.1:{service.address[1]},unix:{path}"
        finished = run_program(tmp_path, "healthcheck", settings={"BIND": bind})
        assert (finished.returncode, finished.stderr) == (0, "")
        assert finished.stdout == "".join(f"{where}: ready\n" for where in bind.split(","))
        script = [ROOT / "scripts/healthcheck.sh", "--bind", bind.split(",")[0]]
        path_too = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}  # for one that is not at home
        assert subprocess.run(script, capture_output=True, env=path_too, check=False).returncode == 0
    finished = run_program(tmp_path, "healthcheck", settings={"BIND": bind})
    assert finished.returncode == 1 and "refused" in finished.stderr and finished.stdout == ""
    empty = tmp_path / "empty"
    write_cvs(empty, {})
    with running(empty) as service:
        finished = run_program(empty, "healthcheck", "--bind", f"127.0.0.1:{service.address[1]}")
        assert finished.returncode == 1 and "no CV can be served" in finished.stderr
    with socket.create_server(("127.0.0.1", 0)) as silent:
        finished = run_program(empty, "healthcheck", "--bind", f"127.0.0.1:{silent.getsockname()[1]}")
        assert finished.returncode == 1 and "no answer within 5000 ms" in finished.stderr
    assert run_program(empty, "healthcheck").returncode == 78  # port 0: nobody knows which
