"""Schedules, firings, alarms and notices as they are stored."""
