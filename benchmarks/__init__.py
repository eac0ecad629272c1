"""Benchmarks: asv suites and pytest-benchmark over one case table, and the peers side by side."""
