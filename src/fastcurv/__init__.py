"""The shape of your functions: gradients, Jacobians, Hessians, spectra and what they mean, in bulk."""

__version__ = "0.1.0.dev0"
