"""``python -m examples.servers``: the restaurant's demo, its rows made behind the Collector and Kafka."""

import sys

from examples.restaurant.demo import main
from examples.servers.behind import behind_servers

if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that cannot show a line loses that
    sys.exit(main(sys.argv[1:], behind_servers))
