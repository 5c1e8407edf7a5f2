#!/usr/bin/python3
"""Holds the sources to the layering of the build: who may include whom."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAY = {
    "libs/base": {"base"},
    "libs/config": {"base", "config"},
    "libs/health": {"base", "health"},
    "libs/process": {"base", "health", "process"},  # health: the scoreboard, as libs/CMakeLists.txt says
    "libs/http": {"base", "health", "http"},  # health: counters.hpp alone, as libs/CMakeLists.txt says
    "services/cv_query": {"base", "config", "health", "http", "process", "cv_query"},
    "services/cv_health": {"base", "config", "health", "http", "process", "cv_health"},
}
CATALOGUE = {"catalogue", "cv", "cv_files", "document", "json_reader", "loader", "record", "write_transaction"}
ROOMS = {"base", "config", "health", "http", "process", "cv_query", "cv_health"}
INCLUDE = re.compile(r'^#include [<"]([^>"]+)[>"]', re.M)


def faults():
    for room, allowed in MAY.items():
        files = sorted((ROOT / room).glob("*.[ch]pp"))
        assert files, room
        for path in files:
            for name in INCLUDE.findall(path.read_text("utf-8")):
                where = f"{path.relative_to(ROOT)} includes {name}"
                part = name.split("/")[0]
                if part in ROOMS and part not in allowed:
                    yield where
                if room == "libs/http" and part == "health" and name != "health/counters.hpp":
                    yield where
                if path.stem in CATALOGUE and room.endswith("cv_query"):
                    if part == "http" or name.startswith(("boost/asio", "boost/beast", "boost/json")):
                        yield where + ": the catalogue knows neither Asio nor HTTP"
                if name.startswith("boost/log/") and path.stem != "log":
                    yield where + ": only libs/base/log.cpp names Boost.Log"


found = list(faults())
print("\n".join(found))
sys.exit(bool(found))
