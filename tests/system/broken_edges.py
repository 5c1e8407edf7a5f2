"""Running edges broken on purpose, each in one place, and the id that a deploy check gives that."""
import re
import socket
import ssl
import threading
from contextlib import contextmanager

from deployment import openssl


def header(name, value=None):
    """A security header with another value, or none."""
    return edit("headers.conf", f"add_header {name} ", f'add_header {name} "{value}" always; #' if value else "#")


def edit(file, old, new):
    """A change of a rendered file."""
    return lambda it: it.edit(file, old, new)


def place(text):
    """One more location."""
    return edit("site.conf", "location = /robots.txt {", text + "\nlocation = /robots.txt {")


def both(*changes):
    """Several changes."""
    return lambda it: [change(it) for change in changes]


def lose_style(it):
    """A style that the page names is gone."""
    it.site.joinpath(re.search(r'"/(static/[^"]+\.css)"', (it.site / "index.html").read_text("utf-8"))[1]).unlink()


def weak_dh(it):
    """An RSA key and DH parameters of 1024 bits."""
    it.authority.issue(it.certificate, it.key, kind=("rsa", "rsa_keygen_bits:2048"))
    openssl(it.conf, "dhparam", "-dsaparam", "-out", "ffdhe2048.pem", "1024")
    it.edit("tls.conf", "ssl_ciphers ", "ssl_ciphers @SECLEVEL=0:")


def lose_nosniff(value, of="$request_uri"):
    """A header is missing in one place alone."""
    where = f'map {of} $cv_nosniff {{ volatile; "{value}" ""; default nosniff; }}\n'
    return both(edit("headers.conf", '"nosniff"', '"$cv_nosniff"'), edit("cv-backend.conf", "# --- what is asked for", where + "# --- what is asked for"))


OLD_CIPHER = edit("tls.conf", "ssl_ciphers ", "ssl_ciphers @SECLEVEL=0:ECDHE-ECDSA-AES128-SHA:")
# id, what breaks the running edge, ids that come with it
EDGES = [
    ("security.W004", header("Strict-Transport-Security"), set()),
    ("security.W005", edit("cv-backend.conf", "; includeSubDomains", ""), set()),
    ("security.W021", edit("cv-backend.conf", "; preload", ""), set()),
    ("cv.W012", edit("cv-backend.conf", "max-age=31536000", "max-age=3600"), set()),
    ("security.W006", header("X-Content-Type-Options"), set()),
    ("security.W006", edit("headers.conf", 'Options "nosniff"', 'Options "nosniff$cv_policy"'), set()),
    ("security.W019", header("X-Frame-Options", "ALLOWALL"), set()),
    ("security.W022", header("Referrer-Policy"), set()),
    ("security.E023", header("Referrer-Policy", "unsafe-url"), set()),
    ("security.E024", header("Cross-Origin-Opener-Policy"), set()),
    ("security.E024", header("Cross-Origin-Opener-Policy", "unsafe-none"), set()),
    ("security.E026", header("Content-Security-Policy"), set()),
    ("cv.W050", edit("cv-backend.conf", "script-src 'self'", "script-src 'self' 'unsafe-inline'"), set()),
    ("cv.W051", header("Cross-Origin-Embedder-Policy"), set()),
    ("cv.W052", header("Cross-Origin-Resource-Policy"), set()),
    ("cv.W053", header("Permissions-Policy"), set()),
    ("cv.W054", both(edit("common.conf", "more_clear_headers Server;", ""), edit("common.conf", "server_tokens off;", "server_tokens on;")), set()),
    ("cv.W055", edit("headers.conf", "add_header X-F", "add_header X-Frame-Options DENY always; add_header X-F"), set()),
    ("cv.W056", edit("common.conf", 'more_set_headers -s "405"', 'more_set_headers "Set-Cookie: a=b; HttpOnly"; more_set_headers -s "405"'), set()),
    ("cv.W057", edit("error-api.conf", "no-store", "max-age=60"), set()),
    ("cv.E063", edit("servers.conf", "return 444;", "return 200 hello;"), set()),
    ("cv.W044", edit("servers.conf", "ssl_reject_handshake on;", ""), set()),
    ("cv.E064", edit("servers.conf", "https://$host", "https://$http_x_forwarded_host$host"), set()),
    ("cv.E065", edit("servers.conf", "return 301", "if ($http_x_forwarded_proto = https) { return 200; } return 301"),
     set()),
    ("cv.W066", edit("cv-backend.conf", "default $request_id;", "default $http_x_request_id;"), set()),
    ("cv.E067", place("location = /metrics { default_type text/plain; return 200 cv; }"), set()),
    ("cv.W068", place("location = /livez { default_type text/plain; return 200 ok; }"), set()),
    ("cv.E069", edit("cv-backend.conf", r'1\|000$" 400;', r'1\|000$" "";'), set()),
    ("cv.W071", edit("refuse.conf", "if ($cv_refused = 400)", "if ($request_method = DELETE) { return 200; }\nif ($cv_refused = 400)"),
     set()),
    ("cv.E072", header("Access-Control-Allow-Origin", "$http_origin"), set()),
    ("cv.E072", edit("cv-backend.conf", r'|https://app\.example\.org$"', r'|https://app\.example\.org"'), set()),
    ("cv.W052", header("Cross-Origin-Resource-Policy", "cross-origin"), set()),
    ("cv.W050", edit("cv-backend.conf", "script-src 'self'", "script-src 'self' https://evil.example"), set()),
    ("cv.W050", edit("cv-backend.conf", "img-src 'self'", "img-src 'self' data:"), set()),
    ("cv.W050", edit("cv-backend.conf", "font-src 'self'", "font-src 'self' *.example.org"), set()),
    ("cv.W056", edit("common.conf", 'more_set_headers -s "405"',
                     'more_set_headers "Set-Cookie: a=b; HttpOnly; Secure; SameSite=None"; more_set_headers -s "405"'), set()),
    ("security.W008", edit("servers.conf", "return 301 https:", "return 302 https:"), set()),
    ("security.W008", edit("servers.conf", "https://$host:", "https://$host:9"), set()),
    ("security.W006", lose_nosniff("/api/v1/cvs/mina/"), set()), ("security.W006", lose_nosniff("/api/v1/cvs/mina/skills/"), set()),
    ("security.W006", lose_nosniff("/api/v1/cvs/mina/pdf/"), set()), ("security.W006", lose_nosniff("/api/v1/cvs/mina/picture/"), set()),
    ("security.W006", lose_nosniff("/api/v1/health/"), set()), ("security.W006", lose_nosniff("/docs/"), set()),
    ("security.W006", lose_nosniff("304", "$status"), set()), ("security.W006", lose_nosniff("http301", "$scheme$status"), set()),
    ("security.W006", lose_nosniff("501", "$status"), set()),
    ("cv.E073", edit("error-api.conf", '"request_id"', '"at":"/usr/lib/x","request_id"'), set()),
    ("cv.W074", edit("error-api.conf", "application/json", "text/html"), set()),
    ("security.W008", edit("servers.conf", "return 301 https:", "return 302 http:"), set()),
    ("security.W008", edit("servers.conf", "return 301", "return 200 hello; #"), set()),
    ("cv.W080", lambda it: (it.site / "static/manifest.json").unlink(), set()),
    ("cv.W081", edit("site.conf", ", immutable", ""), set()),
    ("cv.W081", lose_style, set()),
    ("cv.E082", lambda it: place(f"location /static {{ alias {it.site}/static/; }}")(it),
     set()),
    ("cv.E082", lambda it: (it.site / ".env").write_text("SECRET_KEY=x"), set()),
    ("cv.W083", place("location /static/ { autoindex on; }"), set()),
    ("cv.W084", lambda it: [path.unlink() for path in it.site.glob("index.html*")], set()),
    ("cv.W085", edit("site.conf", "index index.html;", "index index.html; try_files $uri $uri/ /index.html;"), set()),
    ("cv.W062", edit("servers.conf", "return 301 https:", "return 429; # https:"), set()),
    ("cv.W062", edit("site.conf", "index index.html;", "index index.html; limit_req zone=cv_limit burst=1 nodelay; limit_req_status 429;"), set()),
    ("cv.W086", edit("site.conf", r"\nExpires: 20", r"\nExpires: 19"), set()),
    ("cv.W086", edit("site.conf", r"\nExpires: ", r"\nExpired: "), set()),
    ("cv.W086", edit("site.conf", "/.well-known/security.txt", "/.well-known/other.txt"), set()),
    ("cv.E040", both(edit("tls.conf", "TLSv1.2 TLSv1.3", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"), OLD_CIPHER), {"cv.E041"}),
    ("cv.E041", OLD_CIPHER, set()), ("cv.E041", weak_dh, set()),
    ("cv.W042", edit("tls.conf", "ssl_session_tickets off", "ssl_session_tickets on"), set()),
    ("cv.W043", edit("tls.conf", "TLSv1.2 TLSv1.3", "TLSv1.2"), set()),
    ("cv.E031", lambda it: it.authority.issue(it.certificate, it.key, days=-3), set()),
    ("cv.E031", lambda it: it.authority.issue(it.certificate, it.key, begins=5), set()),
    ("cv.E032", lambda it: it.authority.issue(it.certificate, it.key, days=3), set()),
    ("cv.W033", lambda it: it.authority.issue(it.certificate, it.key, days=20), set()),
    ("cv.E036", lambda it: it.authority.issue(it.certificate, it.key, "DNS:other.example"), set()),
    ("cv.E036", lambda it: it.authority.issue(it.certificate, it.key, "email:localhost@example.org"), set()), # its subject says localhost
    ("cv.E037", lambda it: openssl(it.folder, "req", "-x509", "-key", it.key, "-out", it.certificate, "-subj",
                                   "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "90"), set()),
    ("cv.W035", both(lambda it: it.authority.issue(it.certificate, it.key, kind=("rsa", "rsa_keygen_bits:1024")),
                     edit("tls.conf", "ssl_ciphers ", "ssl_ciphers @SECLEVEL=0:")), {"cv.E037"}),
]


WELL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"


@contextmanager
def naive_server(deployment, answer=WELL, silent_to=b"\0"):
    """A server that takes whatever comes for a request, and answers it, but waits for more behind some bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(deployment.certificate, deployment.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(link, server_side=True) as tls:
                    if silent_to not in tls.recv(65536):
                        tls.sendall(answer)
                    else:
                        tls.recv(65536)  # until the client hangs up
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://localhost:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
