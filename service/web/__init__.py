"""The page: what people see at `/`. Server-rendered; its script only refreshes, previews and calls the REST interface."""
