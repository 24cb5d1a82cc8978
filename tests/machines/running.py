"""How machines are run: a short walk in `make test`, long ones with ever new steps in `make machines`."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

#: The profile of `make machines`, which tests/conftest.py registers.
LONG = "long"


def run_machine(
    machine: type[RuleBasedStateMachine], *, examples: int, long: int, steps: int = 25, **parts: Any
) -> None:
    """Walk `examples` times through `machine`, `long` times in the long profile; `parts` become its attributes."""
    fresh = type(machine.__name__, (machine,), parts)
    is_long = settings.get_current_profile_name() == LONG
    run_state_machine_as_test(
        fresh,
        settings=settings(
            max_examples=long if is_long else examples,
            stateful_step_count=2 * steps if is_long else steps,
            deadline=None,
            database=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
