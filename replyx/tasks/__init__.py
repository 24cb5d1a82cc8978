"""Work for later: names, the queue, and the dramatiq broker behind it."""
