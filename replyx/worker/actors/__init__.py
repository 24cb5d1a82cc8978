"""Actors: parse a task's arguments, call one service."""
