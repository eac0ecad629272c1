"""Launchers: how blocks of points are run on a device."""
