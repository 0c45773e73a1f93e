"""`sockwave dev-cert`: its certificate, and what it prints of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("cryptography")

from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from sockwave.cli import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dev_cert(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["dev-cert", *arguments])


def loaded(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_certificate_is_one_that_browsers_take_by_its_hash(folder: Path) -> None:
    assert dev_cert().exit_code == 0
    certificate = loaded(folder / "cert.pem")
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert timedelta(days=13) < lasts < timedelta(days=14)
    private = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    assert private.public_key() == key


def test_names_are_those_of_this_machine_and_the_given_ones(folder: Path) -> None:
    assert dev_cert("laptop.local", "192.0.2.7", "[2001:db8::7]", "localhost").exit_code == 0
    names = loaded(folder / "cert.pem").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost", "laptop.local"]
    assert names.value.get_values_for_type(x509.IPAddress) == [
        ip_address(each) for each in ("127.0.0.1", "::1", "192.0.2.7", "2001:db8::7")
    ]


def test_hash_is_printed_for_people_and_for_javascript(folder: Path) -> None:
    printed = dev_cert("--certfile", "c.pem", "--keyfile", "k.pem").stdout
    digest = hashlib.sha256(loaded(folder / "c.pem").public_bytes(Encoding.DER)).digest()
    assert f"SHA-256: {digest.hex()}\n" in printed
    assert 'webtransport=WebTransport("c.pem", "k.pem")' in printed
    values = re.search(r'algorithm: "sha-256", value: new Uint8Array\(\[(.*?)\]\)', printed)
    assert values is not None
    assert bytes(map(int, values[1].split(", "))) == digest


def test_programs_get_json(folder: Path) -> None:
    about = json.loads(dev_cert("--json", "bücher.de").stdout)
    certificate = loaded(folder / "cert.pem")
    assert (about["certfile"], about["keyfile"]) == ("cert.pem", "key.pem")
    assert about["names"] == ["localhost", "127.0.0.1", "::1", "bücher.de"]
    assert about["sha256"] == hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    assert about["until"] == certificate.not_valid_after_utc.isoformat()


@pytest.mark.unix
def test_key_is_for_its_owner_alone_also_where_it_replaces_another(folder: Path) -> None:
    old = folder / "key.pem"
    old.write_text("old")
    old.chmod(0o644)
    assert dev_cert("--force").exit_code == 0
    assert old.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE KEY" in old.read_bytes()


@pytest.mark.parametrize("there", ["cert.pem", "key.pem"])
def test_nothing_is_replaced_unasked(folder: Path, there: str) -> None:
    (folder / there).write_text("mine")
    result = dev_cert()
    assert (result.exit_code, os.listdir(folder)) == (1, [there])
    assert result.stderr == f"Error: {there} is there already: --force replaces it\n"
    assert (folder / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["a b"], 2, "'a b' is neither the name of a host nor an address"),
        ([""], 2, "'' is neither the name of a host nor an address"),
        (["x" * 70 + ".de"], 2, "is neither the name of a host nor an address"),
        (["--certfile", "c.pem", "--keyfile", "./c.pem"], 2, "must be two files"),
        (["--keyfile", "no/k.pem"], 1, "k.pem cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_made_is_one_line(
    folder: Path, arguments: list[str], code: int, error: str
) -> None:
    result = dev_cert(*arguments)
    assert (result.exit_code, os.listdir(folder)) == (code, [])
    assert error in result.stderr.replace("\\", "/")


def test_without_the_extra_one_line_says_what_to_install() -> None:
    hide = "import sys; sys.modules['cryptography'] = None; from sockwave.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hide, "dev-cert"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == (
        'Error: certificates need cryptography: pip install "sockwave[webtransport]"\n'
    )


def test_command_imports_nothing_of_it_for_others() -> None:
    look = "import sys, sockwave.cli; print('cryptography' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "False\n"
