"""The page: what people see at `/`. Server-rendered; its script refreshes, previews and calls the REST interface."""
