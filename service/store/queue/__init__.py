"""The queue: states of a trial, and every arrow between them as one guarded UPDATE."""
