"""Checks that other packages can run on what they add to this one."""
