"""Prints the pages of all CVs with headless Chromium, for the script render-pdfs, which says how it is called."""

import base64
import fcntl
import ipaddress
import itertools
import json
import os
import pathlib
import select
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

LANGUAGES = ("en", "de", "fa")
PATIENCE = 60  # seconds for one page to load and print
TRIES = 10  # for what the edge answers with 429
FLAGS = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"]
# Everything is drawn: the CV, its fonts and its picture; or the reason why not.
STATE = """(async () => {
  const state = document.documentElement.dataset.state;
  if (state === 'error') return document.querySelector('main').innerText;
  if (state !== 'ready') return null;
  await document.fonts.ready;
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  return 'ready';
})()"""


def is_loopback(url):
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Browser:
    """Chromium, spoken to over a pipe in its DevTools protocol."""

    def __init__(self, profile):
        # Chromium reads from 3 and writes to 4; our ends are numbered well above, so that neither is in the way.
        theirs_in, self.out = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())
        self.into, theirs_out = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in os.pipe())
        flags = FLAGS + ([] if os.geteuid() else ["--no-sandbox"])  # which root cannot have
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", "chromium", *flags,
             f"--user-data-dir={profile}"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.read, self.session = 0, b"", None
        self.wait = 0  # seconds that an answer to the page has asked for
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Network.enable")

    def call(self, method, **params):
        """A command's result; of events, those are noted that ask to wait."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            while b"\0" not in self.read:
                if not select.select([self.into], [], [], max(deadline - time.monotonic(), 0))[0]:
                    raise OSError(f"Chromium did not answer {method} within {PATIENCE} s")
                part = os.read(self.into, 1 << 20)
                if not part:
                    raise OSError("Chromium ended; is there memory and room for it?")
                self.read += part
            line, self.read = self.read.split(b"\0", 1)
            answer = json.loads(line)
            response = answer.get("params", {}).get("response", {})
            if answer.get("method") == "Network.responseReceived" and response["status"] == 429:
                self.wait = max(self.wait, seconds(response["headers"]))
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise OSError(f"Chromium refused {method}: {answer['error']['message']}")
                return answer["result"]

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def load(self, url):
        """Loads the page; returns once it says that it is ready, and all of it has come."""
        for _ in range(TRIES):
            self.wait = 0
            state = self.settled(url)
            if not self.wait:
                break
            time.sleep(self.wait)
        if state != "ready" or self.wait:
            raise OSError(f"{url}: {' '.join(state.split()) if state != 'ready' else 'too many requests'}")

    def settled(self, url):
        """Loads the page; "ready", or what it says has gone wrong."""
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise OSError(f"{url}: {failed}")
        deadline = time.monotonic() + PATIENCE
        while not (state := self.call("Runtime.evaluate", expression=STATE, awaitPromise=True, returnByValue=True)
                   ["result"].get("value")):
            if time.monotonic() > deadline:
                raise OSError(f"{url}: not ready after {PATIENCE} s")
            time.sleep(0.05)
        return state

    def print(self, url):
        """The page as PDF."""
        self.load(url)
        return base64.b64decode(self.call(
            "Page.printToPDF", preferCSSPageSize=True, printBackground=True, generateTaggedPDF=True,
            generateDocumentOutline=True)["data"])


def seconds(headers):
    """What Retry-After asks for, within reason."""
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return min(int(value), PATIENCE) if value.isdecimal() else 1


def ask(url, context, method="GET"):
    """The answer; one that asks to wait is waited for."""
    for left in reversed(range(TRIES)):
        try:
            return urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30, context=context)
        except urllib.error.HTTPError as error:
            if error.code != 429 or not left:
                raise
            time.sleep(seconds(error.headers))


def is_there(base, context, person, lang):
    """Whether there is that CV in that language: where not, the service serves another or none."""
    try:
        with ask(f"{base}/api/v1/cvs/{person}/?lang={lang}", context, "HEAD") as answer:
            return answer.headers["Content-Language"] == lang
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return False
        raise


def main():
    base, out = sys.argv[1], pathlib.Path(sys.argv[2])
    context = ssl.create_default_context()
    if is_loopback(base):  # a certificate of this machine's own making
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with ask(base + "/api/v1/cvs/", context) as answer:
        people = json.load(answer)["cvs"]
    failed = []
    with tempfile.TemporaryDirectory(prefix="cv-print.") as profile:
        browser = Browser(profile)
        try:
            if is_loopback(base):
                browser.call("Security.setIgnoreCertificateErrors", ignore=True)
            for person, lang in itertools.product(people, LANGUAGES):
                name = f"{person}.pdf" if lang == "en" else f"{person}_{lang}.pdf"
                try:
                    if not is_there(base, context, person, lang):
                        continue
                    content = browser.print(f"{base}/?person={person}&lang={lang}")
                except OSError as error:
                    failed.append(f"{name}: {error}")
                    continue
                fresh = out / f".{name}.{os.getpid()}"
                fresh.write_bytes(content)
                fresh.replace(out / name)
                print(f"{out / name}: {len(content)} bytes", file=sys.stderr)
        finally:
            browser.close()
    if failed:
        raise OSError("not printed:\n  " + "\n  ".join(failed))


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"render-pdfs: {error}")
