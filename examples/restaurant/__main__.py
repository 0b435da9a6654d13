"""``python -m examples.restaurant``."""

import signal
import sys

if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal that cannot show a line loses that
    try:
        from examples.restaurant.demo import main
    except ModuleNotFoundError as error:
        print(f"{error.name} is missing: pip install 'otel-auto-assign[dev]', or use `make demo`", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # the libraries take a moment to load, and nothing has been started yet
        sys.exit(128 + signal.SIGINT)
    sys.exit(main(sys.argv[1:]))
