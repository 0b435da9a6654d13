"""Build the servers that are not there yet: ``make servers``. Exit code 2 where one cannot be built."""

from __future__ import annotations

import sys
import time

from collector.build.debian import DEBIAN
from collector.build.servers import ALL, SERVERS


def main() -> int:
    """Build what is missing or out of date; go on to the next where one cannot be."""
    failed = False
    for server in (*ALL, *DEBIAN):
        if server.current:
            print(f"{server.name}: there")
            continue
        print(f"{server.name}: building, once", flush=True)
        began = time.monotonic()
        try:
            server.make()
        except RuntimeError as error:
            failed = True
            print(error, file=sys.stderr)
        else:
            print(f"{server.name}: built in {time.monotonic() - began:.0f} s")
    print(f"in {SERVERS}")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
