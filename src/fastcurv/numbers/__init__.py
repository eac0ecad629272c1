"""Numbers that carry derivatives: exact derivatives of any function that Numba compiles.

The table of elementary rules (`_rules`), and what applies it to expressions in machine code (`_expressions`), also
serve functions that are traced; so nothing is imported here that teaches Numba.
"""
