"""REST, sockets, bots and the command line against a real application."""
