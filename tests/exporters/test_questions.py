"""Tests of observability_events.questions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import observability_events

NAMES = sorted(file.stem for file in Path(observability_events.__file__).with_name("sql").glob("*.sql"))
PROGRAM = f"""
import sys
from observability_events import postgres
from observability_events.questions import question
opened = []
sys.addaudithook(lambda event, args: opened.append(args) if event == "open" else None)
texts = [question(name) for name in {NAMES}]
print(len(texts), all(texts), opened)
"""


def test_no_file_is_opened_when_a_question_is_asked() -> None:
    """A server that gives up its rights after its imports, as gunicorn does, asks all the same."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (f"{len(NAMES)} True []\n", "")
