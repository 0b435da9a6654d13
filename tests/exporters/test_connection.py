"""Texts lose what is secret in the DSN, however it is spelled there."""

from __future__ import annotations

import pytest

from observability_events.connection import without_secrets


@pytest.mark.parametrize(
    ("dsn", "secrets"),
    [
        ("postgresql://ann:ge%2Fh%40eim@db.example/app", ["ge%2Fh%40eim", "ge/h@eim"]),
        ("postgresql://ann:a%2Fbc@db.example/app?sslpassword=hid%64en", ["a%2Fbc", "a/bc", "hid%64en", "hidden"]),
        ("postgres://db.example/app?user=ann&password=ge%68eim", ["ge%68eim", "geheim"]),
        ("host=db.example user=ann password='ge heim' dbname=app", ["ge heim", "ge%20heim"]),
    ],
    ids=["quoted", "two of them", "in the query", "words"],
)  # fmt: skip
def test_no_spelling_of_a_password_is_left(dsn: str, secrets: list[str]) -> None:
    """Neither as the DSN has it, nor as libpq reads it, nor as others would quote it; nor the DSN itself."""
    text = without_secrets(f"cannot use {dsn}: {' '.join(secrets)} of ann", dsn)
    assert text == f"cannot use …: {' '.join('…' for _ in secrets)} of ann"


def test_a_text_without_secrets_stays() -> None:
    """Also where the DSN has none, or is none."""
    for dsn in ("postgresql://db.example/app", "nonsense"):
        assert without_secrets("connection refused", dsn) == "connection refused"
