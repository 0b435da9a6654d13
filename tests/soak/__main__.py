"""``make soak``: the long form; prints its figures, and exits with 1 if something was lost or is there twice."""

from __future__ import annotations

import argparse
import sys

from tests.soak.soaking import Outcome, soak


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="of load and faults (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the schedule (default: %(default)s)")
    parser.add_argument("--jobs", type=float, default=20.0, help="a second and process (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=2.0, help="mean seconds between faults (default: %(default)s)")
    options = parser.parse_args()
    outcome = soak(seconds=options.seconds, seed=options.seed, jobs_a_second=options.jobs, pause=options.pause)
    sys.stdout.write(figures(outcome))
    if not outcome.well:
        sys.stderr.write("\n".join(outcome.log) + "\n")
    return 0 if outcome.well else 1


def figures(outcome: Outcome) -> str:
    """Give the figures, one a line."""
    shown = {
        "rows accepted": f"{outcome.rows:,}",
        "of them refused by the table": f"{outcome.poison:,}",
        "of those without a dead letter": f"{outcome.unkept}",
        "faults": f"{outcome.faults.total()}",
        **{f"… {name.replace('_', ' ')}": f"{count}" for name, count in sorted(outcome.faults.items())},
        "lost": f"{outcome.lost}",
        "duplicated": f"{outcome.duplicated}",
        "not accepted": f"{outcome.refused}",
        "dropped": f"{dict(outcome.dropped) or 0}",
        "left on disk (owners)": f"{outcome.waiting}",
        "accounts that do not balance": f"{outcome.unbalanced}",
        "jobs whose process was killed, then reconciled": f"{outcome.abandoned}",
        "jobs without exactly one summary": f"{outcome.without_summary}",
        "worst caller delay": f"{outcome.worst_seconds * 1e3:.1f} ms",
        "p99 of a call": f"{outcome.p99_seconds * 1e6:.0f} µs",
    }
    return "".join(f"{name:<48}{value:>12}\n" for name, value in shown.items())


if __name__ == "__main__":
    sys.exit(main())
