"""A steady load on a site by TLS: asks until its standard input ends, then prints what came of it as JSON.

A program of its own, so that it can be run in another network: edge_load.py HOST:PORT AUTHORITY TARGET…
A `{n}` in a target is another number each time.
"""
import collections
import http.client
import itertools
import json
import ssl
import sys
import threading
import time

CLIENTS = 4
PAUSE = 0.005  # seconds between two requests of a client: a load, not a flood


def ask_on(link, target):
    """One answer's status and cache state."""
    link.request("GET", target)
    answer = link.getresponse()
    answer.read()
    return f"{answer.status} {answer.getheader('X-Cache', '-')}"


def client(site, authority, targets, over, results, faults):
    """Asks one after the other on a connection that is kept."""
    context = ssl.create_default_context(cafile=authority)
    link = None
    for number in itertools.count():
        if over.is_set():
            return
        target = targets[number % len(targets)].replace("{n}", f"{threading.get_ident()}{number}")
        try:
            link = link or http.client.HTTPSConnection(site, timeout=10, context=context)
            results[ask_on(link, target)] += 1
        except (OSError, http.client.HTTPException) as error:
            faults.append(f"{target}: {error!r}")
            link = None
        time.sleep(PAUSE)


def main(site, authority, *targets):
    """Starts the clients and waits for the end of the standard input."""
    over = threading.Event()
    results, faults = [collections.Counter() for _ in range(CLIENTS)], []
    clients = [threading.Thread(target=client, args=(site, authority, targets, over, one, faults)) for one in results]
    for one in clients:
        one.start()
    sys.stdin.read()
    over.set()
    for one in clients:
        one.join()
    print(json.dumps({"answers": sum(results, collections.Counter()), "faults": faults}))


if __name__ == "__main__":
    main(*sys.argv[1:])
