"""Warm worker processes of this machine."""
