"""ReplyX: an AI support desk that one person installs with pip on one box."""

__version__ = "0.1.0"
