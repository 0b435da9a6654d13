"""Whether the statistics keep what they promise, on simulated windows whose truth is known: ``make validate``."""
