"""What the product costs, as ratios against what one would write by hand: ``python -m benchmarks``."""
