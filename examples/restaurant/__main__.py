"""``python -m examples.restaurant``."""

import sys

from examples.restaurant.demo import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
