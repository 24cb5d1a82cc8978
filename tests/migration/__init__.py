"""Upgrades of the schema."""
