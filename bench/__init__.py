"""Measurements of ReplyX beside their floors; `make bench` runs them."""
