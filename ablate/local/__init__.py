"""A study on this machine: run in this process and its workers, without a service."""
