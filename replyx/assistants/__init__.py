"""Assistants: what they know, where they speak, what they cost."""
