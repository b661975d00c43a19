"""Documents of the service: what crosses REST, and what a mirror is given."""
