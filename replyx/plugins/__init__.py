"""The extension points: hooks as empty documented methods, and the host that calls them."""
