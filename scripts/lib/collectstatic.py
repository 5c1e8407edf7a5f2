"""Builds the static files of the page, for the script of the same name, which says how it is called."""

import base64
import ctypes
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import brotli
import fontTools
from fontTools import subset
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import newTable

# What the styles name, made from the fonts that Debian packages: only the letters that CVs in these languages need.
LATIN = "0000-024F,0259,02BB-02BC,02C6,02DA,02DC,0300-0304,0306-0308,030A-030C,0327-0328,1E00-1EFF,2002-200B," \
        "2010-2015,2018-201E,2020-2022,2026,202F,2030,2032-2033,2039-203A,2044,2070-2079,2080-2089,20AC,2116,2122," \
        "2190-2193,2196-2199,2212,2215,2248,2260,2264-2265,0370-03FF,0400-045F,FEFF,FFFD"
ARABIC = "0600-06FF,0750-077F,200C-200F,2010-2011,204F,2E41,FB50-FDFF,FE70-FEFF"
INTER, NOTO = "/usr/share/fonts/opentype/inter/Inter-", "/usr/share/fonts/truetype/noto/NotoSansArabic-"
FONTS = {
    "inter-regular.woff2": (INTER + "Regular.otf", LATIN),
    "inter-italic.woff2": (INTER + "Italic.otf", LATIN),
    "inter-semibold.woff2": (INTER + "SemiBold.otf", LATIN),
    "arabic-regular.woff2": (NOTO + "Regular.ttf", ARABIC),
    "arabic-bold.woff2": (NOTO + "Bold.ttf", ARABIC),
}
BUNDLES = {"boot.js": "app/boot.js", "cv.js": "app/main.js", "docs.js": "docs/main.js",
           "cv.css": "style/cv.css", "docs.css": "style/docs.css"}
PLAIN = {"favicon.svg": "favicon.svg"}
PAGES = ["index.html", "docs/index.html", "error.html"]
# nginx fills it in as it sends it, which it cannot in a compressed copy.
NOT_COMPRESSED = {"error.html"}


def inputs(site):
    """A digest of everything the output is made of, and of what makes it."""
    esbuild = subprocess.run(["esbuild", "--version"], check=True, stdout=subprocess.PIPE).stdout
    digest = hashlib.sha256(f"{fontTools.version}\0{brotli.__version__}\0".encode() + esbuild)
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(site)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    digest.update(pathlib.Path(__file__).read_bytes())
    for font, _ in FONTS.values():
        digest.update(pathlib.Path(font).read_bytes())
    return digest.hexdigest()


def to_truetype(font):
    """Gives a font with cubic outlines (CFF) quadratic ones: those are fonts in Chromium's PDFs, others drawings."""
    glyphs, outlines = {}, font.getGlyphSet()
    for name in font.getGlyphOrder():
        pen = TTGlyphPen(outlines)
        outlines[name].draw(Cu2QuPen(pen, max_err=1.0, reverse_direction=True))
        glyphs[name] = pen.glyph()
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = font.getGlyphOrder(), glyphs
    del font["CFF "]
    font["glyf"].compile(font)
    maxp = font["maxp"]
    maxp.tableVersion, maxp.maxZones = 0x00010000, 1
    maxp.maxTwilightPoints = maxp.maxStorage = maxp.maxFunctionDefs = maxp.maxInstructionDefs = 0
    maxp.maxStackElements = maxp.maxSizeOfInstructions = maxp.maxComponentElements = 0
    maxp.compile(font)
    font["post"].formatType = 3.0
    font.sfntVersion = "\000\001\000\000"


def font(path, unicodes):
    """The font with those letters only, as WOFF2; the same for the same font."""
    options = subset.Options(flavor="woff2", layout_features=["*"], hinting=False, desubroutinize=True,
                             name_IDs=[0, 1, 2, 13, 14], notdef_outline=True, recalc_timestamp=False,
                             recalc_bounds=True)
    loaded = subset.load_font(path, options)
    worker = subset.Subsetter(options)
    worker.populate(unicodes=subset.parse_unicodes(unicodes))
    worker.subset(loaded)
    if "CFF " in loaded:
        to_truetype(loaded)
    with tempfile.NamedTemporaryFile(suffix=".woff2") as file:
        subset.save_font(loaded, file.name, options)
        return pathlib.Path(file.name).read_bytes()


def bundle(source):
    """What esbuild makes of a script or style and all that it imports."""
    kind = ["--format=iife" if source.name == "boot.js" else "--format=esm"] if source.suffix == ".js" else []
    return subprocess.run(
        ["esbuild", str(source), "--bundle", "--minify", "--charset=utf8", "--target=es2022", "--external:*.woff2",
         "--log-level=warning", *kind], check=True, stdout=subprocess.PIPE).stdout


def write(path, content, compressed=True):
    """Writes a file, and its compressed copies where they are smaller."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # nginx makes its ETag of time and size: the time follows from the content, so that another content has another ETag
    # wherever and whenever it was built.
    moment = 946684800 + int.from_bytes(hashlib.sha256(content).digest()[:4], "big") % 600000000

    def put(target, data):
        target.write_bytes(data)
        os.utime(target, (moment, moment))

    put(path, content)
    if not compressed or path.suffix == ".woff2":
        return
    for suffix, packed in ((".gz", gzip.compress(content, 9, mtime=0)), (".br", brotli.compress(content, quality=11))):
        if len(packed) < len(content):
            put(path.with_name(path.name + suffix), packed)


def build(site, out):
    """Fills the folder out; returns the manifest without its digest of the inputs."""
    names, integrity = {}, {}

    def add(name, content):
        stem, ext = name.rsplit(".", 1)
        names[name] = f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{ext}"
        integrity[name] = "sha384-" + base64.b64encode(hashlib.sha384(content).digest()).decode()
        write(out / "static" / names[name], content)

    for name, source in PLAIN.items():
        add(name, (site / source).read_bytes())
    for name, (path, unicodes) in FONTS.items():
        add(name, font(path, unicodes))
    for name, source in BUNDLES.items():
        content = bundle(site / source).decode()
        # Fonts lie beside the styles that name them.
        add(name, re.sub(r"[\w-]+\.woff2", lambda m: names[m[0]], content).encode())

    def refer(match):
        tag, name = match[0], match["name"]
        hashed = tag.replace(f"/static/{name}", f"/static/{names[name]}")
        if not re.match(r"<script|<link rel=\"stylesheet\"", tag):
            return hashed
        return re.sub(r"(/?>)$", rf' integrity="{integrity[name]}"\1', hashed)

    for page in PAGES:
        text = re.sub(r'<[a-z]+ [^>]*"/static/(?P<name>[^"]+)"[^>]*>', refer, (site / page).read_text())
        write(out / page, text.encode(), page not in NOT_COMPRESSED)
    return {"version": "1.1", "paths": dict(sorted(names.items())), "integrity": dict(sorted(integrity.items()))}


def built_before(out):
    """The manifest of the build that lies there; empty where there is none. What is no build is not to be replaced."""
    try:
        manifest = json.loads((out / "static/manifest.json").read_text())
        return {"paths": dict(manifest["paths"]), "inputs": str(manifest["inputs"])}
    except (OSError, ValueError, KeyError, TypeError):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise FileExistsError(f"{out} holds something else than static files built here, which would be lost: "
                                  "name another folder, or empty this one") from None
        return {"paths": {}, "inputs": ""}


def is_whole(out, paths):
    files = [out / name for name in PAGES + [f"static/{name}" for name in paths]]
    packed = [file.with_name(file.name + suffix) for file in files
              if file.suffix in (".css", ".js") for suffix in (".gz", ".br")]
    return all(file.is_file() for file in files + packed)


def keep_previous(old, new, before, manifest):
    """Links the files of the build before into the new one, for pages that were loaded before it."""
    for name in set(before.values()) - set(manifest["paths"].values()):
        for file in (old / "static").glob(name + "*"):
            os.link(file, new / "static" / file.name)


def swap(new, out):
    """Puts a folder into another's place at once; the one that was there is then where the new one came from."""
    exchange = 2  # RENAME_EXCHANGE of renameat2(2)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(new), -100, os.fsencode(out), exchange):
        error = ctypes.get_errno()
        raise OSError(error, f"cannot put {new} in place of {out}: {os.strerror(error)}")


def main():
    if not sys.argv[2]:
        print("collectstatic: an empty name is no folder", file=sys.stderr)
        sys.exit(64)
    site, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    before, digest = built_before(out), inputs(site)
    if before["inputs"] == digest and is_whole(out, before["paths"].values()):
        print(f"{out} is up to date", file=sys.stderr)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    new = pathlib.Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    try:
        manifest = build(site, new)
        keep_previous(out, new, before["paths"], manifest)
        told = json.dumps(manifest | {"inputs": digest}, indent=1) + "\n"
        write(new / "static/manifest.json", told.encode(), compressed=False)
        new.chmod(0o755)
        if out.exists():
            swap(new, out)
        else:
            new.rename(out)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    print(f"built {out}: {len(manifest['paths'])} files and {len(PAGES)} pages", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"collectstatic: {error}")
