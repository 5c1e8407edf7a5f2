"""Static files as WhiteNoise's CompressedManifestStaticFilesStorage has them: hashed, compressed, immutable."""
import base64
import gzip
import hashlib
import json
import re

import brotli

from edge import run_script


def manifest(site):
    """Source name → hashed name."""
    return json.loads((site / "static/manifest.json").read_text("utf-8"))["paths"]


def test_every_file_of_the_manifest(stack, site):
    """It is there, immutable for a year, and the compressed forms hold the same bytes."""
    names = manifest(site).values()
    assert len(names) >= 5
    for name in names:
        target = f"/static/{name}"
        plain = stack.ask(target)
        assert plain.status == 200 and plain.header("Cache-Control") == "public, max-age=31536000, immutable", target
        assert plain.header("ETag") and re.search(r"\.[0-9A-Za-z]{8,}\.\w+$", target)
        assert stack.ask(target, If_None_Match=plain.header("ETag")).status == 304
        for coding, read in (("gzip", gzip.decompress), ("br", brotli.decompress)):
            answer = stack.ask(target, Accept_Encoding=coding)
            if answer.header("Content-Encoding"):
                assert answer.header("Content-Encoding") == coding and read(answer.body) == plain.body
                assert len(answer.body) < len(plain.body) and "accept-encoding" in answer.tokens("Vary")
        if target.endswith((".js", ".css")) and len(plain.body) > 1000:
            assert stack.ask(target, Accept_Encoding="gzip, br").header("Content-Encoding") == "br"


def test_pages_are_revalidated_and_checked(stack):
    """no-cache with an ETag; each script and stylesheet with its hash (SRI), which is right."""
    for page in ("/", "/docs/"):
        answer = stack.ask(page)
        assert answer.header("Cache-Control") == "no-cache" and stack.ask(page, If_None_Match=answer.header("ETag")).status == 304
        text = answer.body.decode("utf-8")
        tags = re.findall(r"<(?:script|link)\b[^>]*>", text)
        checked = 0
        for tag in tags:
            source = re.search(r'(?:src|href)="(/static/[^"]+\.(?:js|css))"', tag)
            if not source:
                continue
            algorithm, digest = re.search(r'integrity="(sha\d+)-([^"]+)"', tag).groups()
            content = stack.ask(source[1]).body
            assert base64.b64encode(hashlib.new(algorithm, content).digest()).decode() == digest, tag
            checked += 1
        assert checked >= 2 and not re.search(r"<script(?![^>]*src)[^>]*>|<style|style=|\son\w+=", text), "nothing inline"


def test_collected_anew_the_same(tmp_path):
    """The same sources give the same names and bytes."""
    run_script("collectstatic.sh", "--out", tmp_path / "once")
    run_script("collectstatic.sh", "--out", tmp_path / "again")
    def content(folder):
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert content(tmp_path / "again") == content(tmp_path / "once")
