"""The commands of ``otel-auto-assign``, one module each; they read options, call, print and leave."""
