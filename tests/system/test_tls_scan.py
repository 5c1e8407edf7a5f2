"""What Debian's scanners say of nginx as it is shipped; docs/tls.md lists what remains, with the reason for each."""
import json
import os
import re
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from service import ROOT


def run_scanner(name, *arguments):
    """Its standard output; in CI it must be there."""
    if not shutil.which(name):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed; scripts/test.sh installs it")
    done = subprocess.run([name, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout, done
    return done.stdout


def test_testssl(stack, tmp_path):
    """Of medium weight or worse there is just what the document names."""
    wanted = dict(re.findall(r"^\| `(\w+)` \| (MEDIUM|HIGH|CRITICAL) \| \w.{20,} \|$", (ROOT / "docs/tls.md").read_text("utf-8"), re.M))
    report = tmp_path / "testssl.json"
    # Protocols, ciphers, forward secrecy, their order, certificate, headers, weaknesses. Not what each of fifty simulated
    # clients would choose, nor each cipher by itself, which takes long and is never a finding.
    parts = ("-p", "-s", "-f", "-P", "-S", "-h", "-U")
    said = run_scanner("testssl", *parts, "--ip", "127.0.0.1", "--color", "0", "--warnings", "batch", "--jsonfile", report, stack.url)
    found = json.loads(report.read_text("utf-8"))
    assert len(found) > 100 and "Fatal error" not in said, said[-2000:]
    assert {one["id"]: one["severity"] for one in found if one["severity"] in ("MEDIUM", "HIGH", "CRITICAL")} == wanted
    assert {"TLS1_3", "PFS", "HSTS_time", "heartbleed", "secure_renego", "SWEET32", "LUCKY13"} <= {one["id"] for one in found}


def test_sslscan(stack):
    """TLS 1.2 and 1.3 alone, with forward secrecy and authenticated encryption; nothing of what has been broken."""
    test = ElementTree.fromstring(run_scanner("sslscan", "--xml=-", "--sni-name=localhost", f"127.0.0.1:{stack.https}")).find("ssltest")
    enabled = {(one.get("type"), one.get("version")) for one in test.iter("protocol") if one.get("enabled") == "1"}
    assert enabled == {("tls", "1.2"), ("tls", "1.3")}
    ciphers = [(one.get("sslversion"), one.get("cipher"), int(one.get("bits"))) for one in test.iter("cipher")]
    assert {version for version, _, _ in ciphers} == {"TLSv1.2", "TLSv1.3"} and min(bits for _, _, bits in ciphers) >= 128
    for version, cipher, _ in ciphers:
        assert re.search("GCM|CHACHA20", cipher) and (version == "TLSv1.3" or cipher.startswith(("ECDHE-", "DHE-"))), cipher
    groups = {one.get("name") for one in test.iter("group")}
    assert {"secp256r1 (NIST P-256)", "x25519"} <= groups and len(groups) == 3, groups
    assert [dict(one.attrib) for one in test.iter("renegotiation")] == [{"supported": "0", "secure": "0"}]
    assert not [one for one in test.iter("compression") if one.get("supported") == "1"]
    assert {one.get("vulnerable") for one in test.iter("heartbleed")} == {"0"}
