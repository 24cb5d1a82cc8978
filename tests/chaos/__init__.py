"""The rig: real processes under load and under fire, a history of what clients saw, and a checker of what must hold."""
