"""Prints the pages of all CVs with headless Chromium, for the script render-pdfs, which says how it is called."""

import base64
import fcntl
import ipaddress
import json
import os
import pathlib
import select
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

LANGUAGES = ("en", "de", "fa")
PATIENCE = 60  # seconds for one page to load and print
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
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **params):
        """A command's result; events are passed over."""
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

    def print(self, url):
        """The page as PDF, once it says that it is ready."""
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise OSError(f"{url}: {failed}")
        deadline = time.monotonic() + PATIENCE
        while (state := self.call("Runtime.evaluate", expression=STATE, awaitPromise=True, returnByValue=True)
               ["result"].get("value")) != "ready":
            if state:
                raise OSError(f"{url}: {' '.join(state.split())}")
            if time.monotonic() > deadline:
                raise OSError(f"{url}: not ready after {PATIENCE} s")
            time.sleep(0.05)
        return base64.b64decode(self.call(
            "Page.printToPDF", preferCSSPageSize=True, printBackground=True, generateTaggedPDF=True,
            generateDocumentOutline=True)["data"])


def editions(base, context):
    """Every person and language that the service has; where it would serve another language there is none."""
    def ask(path, method="GET"):
        return urllib.request.urlopen(urllib.request.Request(base + path, method=method), timeout=30, context=context)

    with ask("/api/v1/cvs/") as answer:
        people = json.load(answer)["cvs"]
    for person in people:
        for lang in LANGUAGES:
            try:
                with ask(f"/api/v1/cvs/{person}/?lang={lang}", "HEAD") as answer:
                    if answer.headers["Content-Language"] == lang:
                        yield person, lang
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise


def main():
    base, out = sys.argv[1], pathlib.Path(sys.argv[2])
    context = ssl.create_default_context()
    if is_loopback(base):  # a certificate of this machine's own making
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found = list(editions(base, context))
    with tempfile.TemporaryDirectory(prefix="cv-print.") as profile:
        browser = Browser(profile)
        try:
            if is_loopback(base):
                browser.call("Security.setIgnoreCertificateErrors", ignore=True)
            for person, lang in found:
                name = f"{person}.pdf" if lang == "en" else f"{person}_{lang}.pdf"
                content = browser.print(f"{base}/?person={person}&lang={lang}")
                fresh = out / f".{name}.{os.getpid()}"
                fresh.write_bytes(content)
                fresh.replace(out / name)
                print(f"{out / name}: {len(content)} bytes", file=sys.stderr)
        finally:
            browser.close()


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"render-pdfs: {error}")
