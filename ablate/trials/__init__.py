"""Trials: identity, what they need of others, how one is run, and how two are compared."""
