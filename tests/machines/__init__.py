"""Parts of ReplyX beside simple models of them: any order of steps, the same answer after each."""
