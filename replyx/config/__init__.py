"""Settings: one table, loaded from defaults, replyx.toml, secret files and the environment."""
