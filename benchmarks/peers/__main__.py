"""`python -m benchmarks.peers > benchmarks/RESULTS.md`: limits all libraries to one thread, then runs."""

import os


def main() -> None:
    for name in ("OMP", "MKL", "OPENBLAS", "NUMBA"):
        os.environ[f"{name}_NUM_THREADS"] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    os.environ["JAX_ENABLE_X64"] = "1"
    os.environ["JAX_PLATFORMS"] = "cpu"

    from .side_by_side import run

    run()


if __name__ == "__main__":
    main()
