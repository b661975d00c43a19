"""Where claimed trials run: on Ray's workers, or on processes of this machine. See `base`."""
