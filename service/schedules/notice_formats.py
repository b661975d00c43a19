"""How a notice is written for its receiver: all of its fields as JSON, or one sentence for a chat in Slack or Teams.

Names of schedules, studies and rows are text of others. In a chat they must not call everybody or become a link, so
markup is switched off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablate.text import on_one_line
from service.settings import NotifyFormat
from service.store.schedules.notices import Delivery

MAX_CHARACTERS = 3000
"""Longest text of a message; Slack and Teams refuse or cut longer ones."""
ADAPTIVE_CARD = "application/vnd.microsoft.card.adaptive"


def body_of(delivery: Delivery) -> Mapping[str, Any]:
    """All of a notice: `id` (stable), `kind`, `at`, the notice's fields, and a `sentence` for people."""
    return {"id": delivery.uid, "kind": delivery.kind, "at": delivery.created_at.isoformat(), **delivery.document}


def body_for(format: NotifyFormat, delivery: Delivery) -> Mapping[str, Any]:
    """What is posted: `body_of`, or the message of an incoming webhook of Slack or of a workflow of Teams."""
    if format == "json":
        return body_of(delivery)
    text = on_one_line(f"ablate: {delivery.document.get('sentence') or delivery.kind}")
    text = text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 3]}..."
    if format == "slack":
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), "mrkdwn": False}
    runs = {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text}]}  # a TextBlock would read Markdown
    card = {"type": "AdaptiveCard", "version": "1.2", "body": [runs]}
    return {"type": "message", "attachments": [{"contentType": ADAPTIVE_CARD, "content": card}]}
