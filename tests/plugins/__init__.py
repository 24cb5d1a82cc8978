"""The plugin host, the bundled plugins, and payments through them."""
