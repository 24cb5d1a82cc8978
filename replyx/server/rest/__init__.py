"""REST routes by noun."""
