"""The socket of a dialog."""
