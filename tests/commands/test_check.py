"""``otel-auto-assign check`` as it is called: what it prints, and how it leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from otel_auto_assign.cli import app
from tests.exporters.support import count
from tests.exporters.test_checkup import careful_role
from tests.postgres import TABLE, insert_only_role
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.postgres import Connection

VARIABLE = "OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN"


def run(*arguments: str, **environ: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["check", *arguments], env=environ)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's own environment is judged, and there is room for a spool."""
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER", "SUPABASE_DB_URL", VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_BYTES", "1000")
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY", str(tmp_path / "spool"))


@pytest.mark.usefixtures("events_table")
def test_all_is_well(conn: Connection, dsn: str, schema: str) -> None:
    """Exit code 0, one line each, and no row is left behind by a trial."""
    with careful_role(dsn, schema) as (role_dsn, _):
        done = run("--try-insert", **{VARIABLE: role_dsn})
    lines = done.stdout.splitlines()
    assert (done.exit_code, done.stderr) == (0, "")
    assert {line.split()[0] for line in lines[:-2]} == {"ok"}
    assert lines[-1] == f"{len(lines) - 2} ok, 0 warnings, 0 wrong"
    assert count(conn) == 0


@pytest.mark.usefixtures("events_table")
def test_warnings_leave_with_10_and_faults_with_20(conn: Connection, dsn: str) -> None:
    """The remedy stands below what it is for."""
    done = run("--dsn", dsn)
    assert done.exit_code == 10
    lines = done.stdout.splitlines()
    warning = next(number for number, line in enumerate(lines) if line.startswith("warning  time-outs"))
    assert lines[warning + 1].strip().startswith("remedy: ALTER ROLE")

    conn.execute(f"ALTER TABLE {TABLE} ADD tenant text NOT NULL")
    done = run("--dsn", dsn)
    assert done.exit_code == 20
    assert "1 wrong" in done.stdout


@pytest.mark.parametrize("dsn", ["", "postgresql://ann:p@ss@h/x"])
def test_without_a_usable_dsn_the_database_is_not_asked(dsn: str) -> None:
    """The rest is looked at; no part of what cannot be parsed is shown."""
    done = run(**{VARIABLE: dsn})
    assert done.exit_code == 20
    assert "wrong    dsn" in done.stdout
    assert "server" not in done.stdout
    assert "p@ss" not in done.output


def test_a_database_that_cannot_be_reached_leaves_with_40() -> None:
    """The environment was looked at all the same; the password is nowhere."""
    done = run(**{VARIABLE: "postgresql://ann:hunter2@127.0.0.1:1/x"})
    assert done.exit_code == 40
    assert "wrong    connection" in done.stdout
    assert "ok       spool" in done.stdout
    assert "hunter2" not in done.output


@pytest.mark.usefixtures("events_table")
def test_one_document_for_machines(dsn: str) -> None:
    """With the verdict and every finding's four parts."""
    done = run("--json", "--dsn", dsn)
    document = json.loads(done.stdout)
    assert done.exit_code == 10
    assert document["verdict"] == "warning"
    assert {"subject": "pooler", "verdict": "ok", "evidence": "none", "remedy": ""} in document["findings"]
    assert {tuple(one) for one in document["findings"]} == {("subject", "verdict", "evidence", "remedy")}


@pytest.mark.usefixtures("events_table")
def test_the_readme_shows_what_is_printed(conn: Connection, dsn: str, schema: str) -> None:
    """Its lines are those of this run, in their order, whatever the names of schema and role."""
    shown = (ROOT / "README.md").read_text(encoding="utf-8").split("$ otel-auto-assign check\n")[1].split("```")[0]
    with insert_only_role(dsn, schema) as (role_dsn, name):
        conn.execute(f"DROP POLICY writer ON {TABLE}")
        done = run(
            "--dsn", role_dsn, OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.1",
            OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN="",
        )  # fmt: skip
    printed = done.stdout.replace(schema, "public").replace(name, "shop").splitlines()
    wanted = [line for line in shown.splitlines() if line != "…"]
    assert [line for line in printed if line in wanted] == wanted


def test_a_table_that_is_no_name_is_wrong_usage() -> None:
    """What the command line says is not replaced by a default."""
    assert run("--table", "a b c").exit_code == 2


@pytest.mark.usefixtures("events_table")
def test_the_sql_of_the_roles(dsn: str, schema: str) -> None:
    """For the table as it is; nothing is checked."""
    done = run("--sql", "role", "--dsn", dsn)
    assert done.exit_code == 0
    assert f"ON {schema}.{TABLE} TO auto_assign_writer;\n" in done.stdout
    assert "warning" not in done.stdout
    done = run("--sql", "role", "--dsn", dsn, "--table", "nowhere")
    assert (done.exit_code, done.stdout) == (20, "")
    assert "table nowhere does not exist" in done.stderr


def test_the_sql_of_roles_needs_a_database() -> None:
    """Columns and policies follow from the table."""
    assert run("--sql", "role").exit_code == 2
    done = run("--sql", "role", "--dsn", "host=127.0.0.1 port=1")
    assert (done.exit_code, done.stdout) == (40, "")
