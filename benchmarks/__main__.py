"""Measure everything, print it, and compare the table in ``benchmarks/README.md`` with it: ``make bench``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable

from benchmarks import disabled, handover, jobs, pacing, quotes, reading, report, scaling, throughput
from benchmarks.report import Conditions, Result
from benchmarks.stage import Database, database

FAMILIES: dict[str, Callable[[Database], Iterable[Result]]] = {
    "quotes": quotes.run,
    "disabled": disabled.run,
    "jobs": jobs.run,
    "pacing": pacing.run,
    "handover": handover.run,
    "throughput": throughput.run,
    "scaling": scaling.run,
    "reading": reading.run,
}


def main() -> int:
    """Run the families asked for; 0 when measured and, if all of them were, the table is of this code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"some of {', '.join(FAMILIES)}; default: all")
    parser.add_argument("--write", action="store_true", help="put what was measured into the table")
    args = parser.parse_args()
    unknown = set(args.families) - set(FAMILIES)
    if unknown:
        parser.error(f"no such family: {', '.join(sorted(unknown))}")
    if args.write and args.families:
        parser.error("--write needs all families: the table is of one run")

    load = os.getloadavg()[0]
    results: list[Result] = []
    with database() as db:
        for family in args.families or FAMILIES:
            for result in FAMILIES[family](db):
                results.append(result)
                print(result.line, end="", flush=True)
        conditions = Conditions(db.version, load)

    print(f"\n{report.table(results, conditions)}")
    missed = [result for result in results if result.missed]
    print(f"{sum(result.goal is not None for result in results) - len(missed)} goals met, {len(missed)} missed")
    if args.families:
        return 0
    if args.write:
        report.write(results, conditions)
    stale = report.out_of_date(results)
    for reason in stale:
        print(f"benchmarks/README.md {reason}; renew it: make bench ARGS=--write")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
