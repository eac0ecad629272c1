"""What pytest leaves to asv and to `python -m benchmarks.peers`."""

collect_ignore_glob = ["bench_*.py", "peers/*"]
