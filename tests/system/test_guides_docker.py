"""The blocks of the guides that need Docker, on a real engine."""
import os
import subprocess

import pytest

from guides import as_root, clone, COMPOSE, run_blocks, those_of
from service import COUNTED, SANITIZED
from stack import need_engine, RUN

pytestmark = pytest.mark.skipif(SANITIZED or COUNTED, reason="says nothing about an instrumented build")


@as_root
def test_docker(tmp_path):
    """On a real engine, from a clean clone; nothing is left behind."""
    need_engine()
    try:
        run_blocks(those_of("docker"), [*RUN, "bash"], 1500, cwd=clone(tmp_path))
        left = subprocess.run([*RUN, "docker", "ps", "-aq", "--filter", "label=com.docker.compose.project=cv-backend"],
                              capture_output=True, text=True, check=True)
        assert not left.stdout
    finally:
        end = (f"docker rm -f cv-all; {COMPOSE} docker-compose -f docker-compose.prod.yml down -v; "
               "docker rmi registry.example.com/cv-backend/{query,health,proxy}:1.0.0")
        subprocess.run([*RUN, "bash", "-c", end],
                       cwd=tmp_path / "cv-backend", capture_output=True, check=False,
                       env={**os.environ, "SECRET_KEY": "x"})
