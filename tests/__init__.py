"""Tests of ReplyX: real databases, real processes, real sockets."""
