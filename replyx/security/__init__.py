"""Passwords, tokens, encryption at rest, and limits."""
