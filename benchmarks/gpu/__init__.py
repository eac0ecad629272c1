"""On a CUDA device: is it right, and how fast beside JAX, torch and CuPy? `python -m benchmarks.gpu --help`.

`__main__` runs sections, each in a process of its own, and writes what they find. `_tests`, `_checks` and
`_spectra_checks` say whether it is right, `_rates` how fast; the others are what these have in common.
"""
