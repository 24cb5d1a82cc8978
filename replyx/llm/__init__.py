"""Engines that write answers, the pool of AI keys, and the prompt."""
