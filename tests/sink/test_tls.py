"""Both doors with TLS: whoever trusts the certificate is taken, nobody else, and nothing in the clear."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from http.client import HTTPSConnection
from typing import TYPE_CHECKING

import grpc
import pytest

from observability_events.sink.grpc_door import EXPORT
from tests.exporters.support import count, span
from tests.sink.program import Sink, message, refusal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Connection

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make certificates with")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate for ``localhost`` that nobody has signed; give it and its key."""
    own, key = folder / f"{name}.crt", folder / f"{name}.key"
    made = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    about = ("-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ["openssl", "req", "-x509", *made, *about, "-out", str(own), "-keyout", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    return own, key


@pytest.mark.usefixtures("events_table")
def test_both_doors_take_tls_alone(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """By gRPC and by HTTP."""
    own, key = certificate(tmp_path, "own")
    stranger, _ = certificate(tmp_path, "stranger")
    with Sink(dsn, "--certificate", str(own), "--key", str(key)) as sink:
        sink.says("listening for OTLP/grpc on .* with TLS")
        for trusted in (own, stranger):
            trust = grpc.ssl_channel_credentials(trusted.read_bytes())
            with grpc.secure_channel(f"127.0.0.1:{sink.ports['grpc']}", trust) as channel:
                call = channel.unary_unary(EXPORT)
                if trusted is own:
                    call(message([span()]), timeout=10)
                else:
                    assert refusal(call, message([span()]), timeout=10)[0] == grpc.StatusCode.UNAVAILABLE
            context = ssl.create_default_context(cafile=str(trusted))
            connection = HTTPSConnection("127.0.0.1", sink.ports["http"], timeout=10, context=context)
            headers = {"Content-Type": "application/x-protobuf"}
            if trusted is own:
                connection.request("POST", "/v1/traces", message([span()]), headers)
                assert connection.getresponse().status == 200
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    connection.request("POST", "/v1/traces", message([span()]), headers)
            connection.close()
        assert refusal(sink.export, message([span()]), timeout=5)[0] == grpc.StatusCode.UNAVAILABLE
        with pytest.raises(OSError):  # noqa: PT011 - of several kinds: the line breaks before an answer
            sink.post(message([span()]))
    assert count(conn) == 2
