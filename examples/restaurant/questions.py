"""SQL files: each one statement under a header of comments whose first line says what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True)
class Question:
    """One file."""

    title: str
    statement: str


@dataclass(frozen=True)
class Verdict:
    """What the database says of an invariant: how many rows violate it, and the first of them."""

    title: str
    violations: int
    example: str = ""


def read_questions(folder: str) -> list[Question]:
    """Read the ``.sql`` files of a folder beside this module, in the order of their names."""
    questions = []
    for path in sorted(Path(__file__).with_name(folder).glob("*.sql")):
        lines = path.read_text(encoding="utf-8").splitlines()
        statement = "\n".join(line for line in lines if not line.startswith("--")).strip()
        questions.append(Question(lines[0].removeprefix("--").strip(), statement))
    return questions


def ask(conn: psycopg.Connection[Any], question: Question) -> Verdict:
    """Ask for the violations of an invariant."""
    rows = conn.execute(question.statement.encode()).fetchall()
    return Verdict(question.title, len(rows), ", ".join(map(str, rows[0])) if rows else "")
