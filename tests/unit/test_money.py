"""Roubles of the contract and kopecks of the ledger; prices and their names."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replyx.billing.money import kopecks, rubles
from replyx.billing.pricing import describe, price_of, service_type_of
from replyx.config.settings import BillingSettings, Config
from replyx.errors import InvalidAmount
from replyx.types import Channel


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0), (5, 500), (5.0, 500), (0.1, 10), (1000.25, 100025), (0.29, 29), ("12.30", 1230), (" 7 ", 700),
        (Decimal("1.10"), 110), (Decimal("1.1000"), 110), (10_000_000, 1_000_000_000),
    ],
)  # fmt: skip
def test_roubles_become_kopecks_exactly(value: Any, expected: int) -> None:
    assert kopecks(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        -1, -0.0, "-1", 0.001, 0.1 + 0.2, "0.001", Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"),
        float("nan"), float("inf"), 1e308, 2**63,
        10_000_000.01, "1e3", "1_000", "１", "", "five", "1,5", True, None, [1], {"amount": 1},
    ],
)  # fmt: skip
def test_sums_that_cannot_be_are_refused(value: Any) -> None:
    with pytest.raises(InvalidAmount):
        kopecks(value)


@given(st.integers(0, 1_000_000_000))
def test_every_sum_survives_json_and_back(amount: int) -> None:
    assert kopecks(rubles(amount)) == amount


def test_an_assistants_own_price_goes_before_the_settings() -> None:
    config = Config(billing=BillingSettings(message_price=4.5))
    assert price_of(None, config) == 450
    assert price_of(700, config) == 700
    assert price_of(0, config) == 0


def test_every_channel_has_a_service_type_and_a_name_in_both_languages() -> None:
    assert [service_type_of(channel) for channel in Channel] == ["widget_message", "telegram_message", "api_message"]
    assert describe(Channel.WEBSITE) == "Сообщение виджета"
    assert len({describe(channel, language) for channel in Channel for language in ("ru", "en")}) == 6
