"""The database: connection, transactions, tables by noun, migrations."""
