"""The page at `/`. The server renders it; its script refreshes it, previews studies and calls the REST interface."""
