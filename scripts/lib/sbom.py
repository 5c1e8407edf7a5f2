"""usage: sbom.py --packages PROGRAM…
       sbom.py --out FILE [--build DIR] PROGRAM…

The Debian packages that programs are made of: those of the shared libraries that they load and, where the build
folder is there, those of the headers that were compiled in. --packages prints the names of the former; --out writes
all as CycloneDX 1.5 JSON; --build is the build folder of programs that lie elsewhere. The same programs on the same packages give the same file.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def owners(paths):
    """Path → package, by dpkg; a file is known to it by its path before or after /usr was merged."""
    found = {}
    wanted = {}
    for path in paths:
        real = os.path.realpath(path)
        wanted[real] = path
        wanted[real.removeprefix("/usr")] = path
    names = sorted(wanted)
    for start in range(0, len(names), 500):
        said = subprocess.run(["dpkg-query", "-S", *names[start:start + 500]], capture_output=True, text=True,
                              check=False)
        for line in said.stdout.splitlines():
            package, _, path = line.rpartition(": ")
            if path in wanted:
                found[wanted[path]] = package.split(",")[0].split(":")[0]
    return found


def libraries(program):
    """The shared libraries that the loader takes for a program."""
    said = run("ldd", str(program))
    if "not found" in said:
        sys.exit(f"{program}: a library is missing:\n{said}")
    return re.findall(r"(/\S+) \(0x", said)


def headers(build):
    """The system headers that were compiled into the programs of a build folder; none without one."""
    if not (build / ".ninja_deps").exists():
        return []
    said = run("ninja", "-C", str(build), "-t", "deps")
    return sorted(set(re.findall(r"^ +(/usr/include/\S+)$", said, re.M)))


def component(package, kind):
    """A package as CycloneDX has it."""
    wanted = "-f=${Version}\t${Architecture}\t${source:Package}\t${Homepage}\n"
    version, arch, source, homepage = run("dpkg-query", "-W", wanted, package).splitlines()[0].split("\t")
    purl = f"pkg:deb/debian/{package}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={arch}&distro=debian-12"
    entry = {
        "type": "library", "bom-ref": purl, "name": package, "version": version, "purl": purl,
        "supplier": {"name": "Debian"},
        "properties": [{"name": "cv-backend:source-package", "value": source},
                       {"name": "cv-backend:use", "value": kind}],
    }
    if homepage:
        entry["externalReferences"] = [{"type": "website", "url": homepage}]
    return entry


def packages_of(program):
    """The packages of a program's libraries."""
    loaded = libraries(program)
    known = owners(loaded)
    unknown = [path for path in loaded if path not in known]
    if unknown:
        sys.exit(f"{program}: of no Debian package: {' '.join(unknown)}")
    return sorted(set(known.values()))


def bom(programs, build):
    """The whole list."""
    version = re.search(r"project\(cv-backend VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
    linked = {program: packages_of(program) for program in programs}
    compiled = set(owners(headers(build)).values())
    loaded = {name for names in linked.values() for name in names}
    entries = {name: component(name, "loaded at run time") for name in sorted(loaded)}
    for name in sorted(compiled - loaded):
        entries[name] = component(name, "headers compiled in")
    product = f"pkg:generic/cv-backend@{version}"
    own = []
    for program in programs:
        digest = hashlib.sha256(program.read_bytes()).hexdigest()
        own.append({"type": "application", "bom-ref": f"{product}#{program.name}", "name": program.name,
                    "version": version, "hashes": [{"alg": "SHA-256", "content": digest}]})
    headers_of = [entries[name]["bom-ref"] for name in sorted(compiled - loaded)]
    dependencies = [{"ref": product, "dependsOn": [entry["bom-ref"] for entry in own]}]
    for program, entry in zip(programs, own):
        refs = [entries[name]["bom-ref"] for name in linked[program]] + headers_of
        dependencies.append({"ref": entry["bom-ref"], "dependsOn": refs})
    components = own + list(entries.values())
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": product, "name": "cv-backend", "version": version,
                                   "purl": product, "licenses": [{"license": {"id": "MIT"}}]}},
        "components": components, "dependencies": dependencies,
    }


def write(out, whole):
    """Into a file, and a word about it."""
    Path(out).write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    print(f"{len(whole['components'])} components in {out}")


def main():
    """Prints or writes, as asked."""
    match sys.argv[1:]:
        case ["--packages", *programs] if programs:
            print("\n".join(sorted({name for program in programs for name in packages_of(Path(program))})))
        case ["--out", out, "--build", build, *programs] if programs:
            write(out, bom([Path(program) for program in programs], Path(build)))
        case ["--out", out, *programs] if programs:
            paths = [Path(program) for program in programs]
            write(out, bom(paths, paths[0].resolve().parent.parent))
        case _:
            sys.exit(__doc__)


main()
