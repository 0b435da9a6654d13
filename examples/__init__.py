"""The product at work: the restaurant, and the PostgreSQL that it, the tests and the benchmarks use."""
