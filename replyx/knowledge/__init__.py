"""Documents and Q&A pairs, their chunks, the search over them."""
