"""Fakes at the network's edge, shipped for tests of ReplyX and of what is built on it."""
