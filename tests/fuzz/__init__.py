"""The API under machine-made requests: schemathesis over a running server."""
