"""A study at your desk: carried out in this process and its workers, without a service."""
