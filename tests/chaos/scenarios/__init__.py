"""The fault matrix: each fault a function with its pass figure, and one table at the end."""
