"""The API contract, route by route."""
