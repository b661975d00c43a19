"""Whether a repeated study has changed, and since when."""
