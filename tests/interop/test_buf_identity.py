"""`buf curl`, which is written in Go, where callers are told apart by token or certificate."""

import json
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from google.protobuf import json_format

from pourparler_service.authentication.jwks import Issuer
from pourparler_service.config.settings import Settings, Tls
from pourparler_service.server import running
from tests.support.certificates import Authority
from tests.support.sample_entries import opened
from tests.support.token_issuer import AUDIENCE, ISSUER, Address, Key

pytestmark = pytest.mark.tools

DRAFT = json_format.MessageToDict(opened())


def recorded_by(address: str, authority: Authority, *flags: str) -> str:
    """By whom buf records, or what it is told instead."""
    buf = shutil.which("buf", path=sysconfig.get_path("scripts")) or shutil.which("buf")
    if buf is None:
        pytest.skip("there is no buf")
    url = f"https://{address}/pourparler.v1.RecordService/RecordEntries"
    known = ["--protocol", "grpc", "--cacert", str(authority.file), "--reflect-header", "*"]
    done = subprocess.run(
        [buf, "curl", *known, *flags, "--data", json.dumps({"drafts": [DRAFT]}), url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        return done.stderr
    entry = json.loads(done.stdout)["receipt"]["entries"][0]
    return str(entry["facts"]["recordedBy"])


def test_buf_shows_a_token(tmp_path: Path) -> None:
    authority, key = Authority(tmp_path), Key()
    with Address(key).served() as keys:
        settings = Settings(
            address="127.0.0.1:0",
            tls=Tls(*authority.signs("service")),
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url),),
        )
        with running(settings) as address:
            shown = ["--header", f"Authorization: Bearer {key.token()}"]

            assert recorded_by(address, authority, *shown) == f"{ISSUER}#ann"
            assert "Failure" in recorded_by(address, authority)  # not even what there is to call


def test_buf_shows_a_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, ann = authority.signs("service"), authority.signs("ann")
    settings = Settings(
        address="127.0.0.1:0",
        tls=Tls(*own, authority.file),
    )
    with running(settings) as address:
        shown = ["--cert", str(ann.certificate), "--key", str(ann.key)]

        assert recorded_by(address, authority, *shown) == "x509:CN=ann"
