"""Dialogs: messages, answers, handoff."""
