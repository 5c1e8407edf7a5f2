"""Hostile requests through nginx: what reaches the service is framed as nginx saw it, and nothing of ours is doubled."""
import json
import re

import pytest

from edge import edge_before
from hostile import HOSTILE
from service import wait_until
from test_hostile import head_with_byte
from upstream import response, upstream

LAST = b"GET /api/v1/last/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SENT = {"Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID", "Accept-Encoding", "User-Agent", "If-None-Match", "Range"}
BYTES = [(f"{byte:#04x} in {place}", head_with_byte(place, byte)) for byte in range(256)
         for place in ("method", "path", "query", "name", "value", "host", "minor", "major", "front")]


@pytest.mark.parametrize("tls", [True, False])
def test_framing(tmp_path, site, tls):
    """Requests that the service gets are those of nginx's log, in order, whole and with our headers alone."""
    (tmp_path / "state").mkdir()
    answer = response(b"{}", Set_Cookie="a=b") # is not stored
    with upstream(tmp_path / "query.sock", lambda _: answer) as behind, edge_before(tmp_path, site, {"RATE_LIMIT": "off"}) as edge:
        wrong = []
        for name, data in [*((name, data) for name, data, _ in HOSTILE), *BYTES]:
            before = len(behind.requests)
            told = edge.talk(data + LAST, tls)
            got, answers = behind.requests[before:], told.count(b"HTTP/1.1 ")
            starts = [head.split("\r\n", 1)[0] for head in got]
            names = {line.split(":", 1)[0] for head in got for line in head.split("\r\n")[1:]}
            if answers > 2 or len(got) > answers or names - SENT or any(
                    not re.fullmatch(r"(?:GET|HEAD|OPTIONS) /[!-~]* HTTP/1\.1", start) for start in starts):
                wrong.append((name, told[:60], got))
        assert wrong == []
        lines = wait_until(lambda: (all_lines := [json.loads(one) for one in edge.log().splitlines()]) and
                           sum(bool(one["upstream"]) for one in all_lines) == len(behind.requests) and all_lines)
        seen = [(one["request_id"], f'{one["method"]} {one["target"]} HTTP/1.1') for one in lines if one["upstream"]]
        reached = [(re.search(r"X-Request-ID: (\w+)", head)[1], head.split("\r\n", 1)[0]) for head in behind.requests]
        assert sorted(reached) == sorted(seen)
        assert tls == bool(reached)
