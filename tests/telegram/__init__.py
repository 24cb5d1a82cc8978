"""Telegram under fire: a short run is a test, `python -m tests.telegram` takes long."""
