"""Telegram: updates into the inbox, answers out."""
