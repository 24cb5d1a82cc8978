"""The judge: reads the history and the database, and nothing of ReplyX; says which invariant does not hold."""
