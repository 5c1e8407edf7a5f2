"""Fixtures: one default service for the session, and a factory for others."""
import shutil
import signal
from contextlib import ExitStack

import pytest

from edge import edge_and_service, run_script
from samples import SMALL
from service import ORIGINS, PROGRAM, running, sample_data, wait_until, write_cvs
from workers import PDF, complete

# A shell without job control ignores it for what it starts in the background, and all that is started from there.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header():
    """Says which program is tested."""
    return f"program: {PROGRAM}"


@pytest.fixture(scope="session", autouse=True)
def leave_nothing(request, tmp_path_factory):
    """The folders of a run in which all went well are of no use."""
    yield
    if not request.session.testsfailed:
        shutil.rmtree(tmp_path_factory.getbasetemp(), ignore_errors=True)


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """The sample CVs, two allowed origins, otherwise the defaults of testing."""
    folder = tmp_path_factory.mktemp("default")
    sample_data(folder)
    with running(folder, {"CORS_ALLOWED_ORIGINS": ",".join(ORIGINS)}) as started:
        yield started
        assert started.process.poll() is None, "the service died during the tests"


@pytest.fixture(scope="session")
def plain(tmp_path_factory):
    """Two small CVs, no allowed origin."""
    folder = tmp_path_factory.mktemp("plain")
    write_cvs(folder, SMALL)
    with running(folder) as started:
        yield started


@pytest.fixture
def start_service(tmp_path):
    """Starts services with settings and CVs of the test's own; all are stopped after it."""
    with ExitStack() as stack:
        def start(settings=None, cvs=None):
            start.count += 1
            folder = tmp_path / f"service{start.count}"
            write_cvs(folder, SMALL if cvs is None else cvs)
            return stack.enter_context(running(folder, settings))

        start.count = 0
        yield start


@pytest.fixture
def start_workers(tmp_path):
    """Starts one service with so many workers and waits for all of them."""
    with ExitStack() as stack:
        def starter(workers, **settings):
            write_cvs(tmp_path, SMALL)
            (tmp_path / "data/pdfs/mina.pdf").write_bytes(PDF)
            service = stack.enter_context(running(tmp_path, {"WEB_CONCURRENCY": str(workers), **settings}))
            wait_until(lambda: complete(service, workers))
            return service
        yield starter


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The collected static files."""
    folder = tmp_path_factory.mktemp("static") / "site"
    run_script("collectstatic.sh", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def stack(tmp_path_factory, site):
    """nginx and the service behind it, with the sample data and no rate limit, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("stack")
    sample_data(folder)
    settings = {"CORS_ALLOWED_ORIGINS": ",".join(ORIGINS), "RATE_LIMIT": "off",
                "SECURITY_CONTACT": "mailto:security@example.org"}
    with edge_and_service(folder, site, settings) as (edge, service):
        edge.service = service
        yield edge
