"""Kinds of load: who talks to the machine, over which protocol, and what each of them notes in the history."""
