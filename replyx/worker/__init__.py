"""The worker process: actors and the schedule of sweepers."""
