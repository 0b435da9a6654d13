"""Tests with job queues that have processes of their own, and with the instrumentations of others beside ours."""
