"""Finite differences: weights and step lengths as tables, and the blocks of points that apply them."""
