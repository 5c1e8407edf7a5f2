"""A service of the tests' own behind nginx, which answers as it is told, and remembers what it was asked."""
import socket
import threading
from contextlib import contextmanager


class Upstream:
    """Listens on a unix socket; `answer(request bytes)` gives the bytes to send, or None to hang up."""

    def __init__(self, path, answer):
        self.answer = answer
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1024)
        self.ending = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        """A thread for each connection."""
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def serve(self, link):
        """Requests one after the other."""
        with link:
            pending = b""
            while not self.ending.is_set():
                while b"\r\n\r\n" not in pending:
                    try:
                        part = link.recv(65536)
                    except OSError:
                        return
                    if not part:
                        return
                    pending += part
                head, _, pending = pending.partition(b"\r\n\r\n")
                self.requests.append(head.decode("latin-1"))
                answer = self.answer(self.requests[-1])
                if answer is None:
                    return
                try:
                    link.sendall(answer)
                except OSError:
                    return

    def asked(self, text=""):
        """How many requests had this text."""
        return sum(text in head for head in self.requests)


def response(body=b"{}", status="200 OK", **headers):
    """An answer's bytes."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}",
             *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def upstream(path, answer):
    """Serves for the length of a block."""
    started = Upstream(path, answer)
    try:
        yield started
    finally:
        started.ending.set()
        started.listener.close()
