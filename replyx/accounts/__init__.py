"""People: registration, login, profile."""
