"""Images on their way into a network: loaded, decoded, augmented."""
