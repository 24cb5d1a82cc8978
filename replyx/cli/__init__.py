"""The `replyx` command, one file a command."""
