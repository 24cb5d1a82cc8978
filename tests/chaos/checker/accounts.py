"""The invariants of money and of calls to the model: what they find wrong, in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.checker.record import Record
from tests.chaos.checker.story import Story


def books_balance(story: Story, record: Record) -> Iterator[str]:
    """I5: all entries sum to 0, transfer by transfer; cached balances are sums; nobody is below 0."""
    difference = sum(row["amount"] for row in record["entries"])
    if difference:
        yield f"the ledger's entries sum to {difference} kopecks"
    by_transfer: defaultdict[int, list[int]] = defaultdict(list)
    by_account: defaultdict[str, int] = defaultdict(int)
    for row in record["entries"]:
        by_transfer[row["transfer_id"]].append(row["amount"])
        by_account[row["account"]] += row["amount"]
    for transfer in record["transfers"]:
        amounts = by_transfer.get(transfer["id"], [])
        if sorted(amounts) != [-transfer["amount"], transfer["amount"]]:
            yield f"transfer {transfer['key']} of {transfer['amount']} has the entries {amounts}"
    for user in record["users"]:
        for column, account in (("balance", f"user:{user['id']}"), ("held", f"holds:{user['id']}")):
            if user[column] != by_account[account]:
                yield f"{column} of user {user['id']} is {user[column]}, its entries sum to {by_account[account]}"
            if user[column] < 0:
                yield f"{column} of user {user['id']} is {user[column]}"


def paid_once(story: Story, record: Record) -> Iterator[str]:
    """I6: one capture of the right price for each paid answer, none without; no hold is left open."""
    owner = {row["id"]: row["user_id"] for row in record["dialogs"]}
    price = {row["id"]: row["price"] for row in record["assistants"]}
    assistant = {row["id"]: row["assistant_id"] for row in record["dialogs"]}
    paid = {
        row["reply_id"]: row
        for row in record["messages"]
        if row["reply_id"] is not None and row["outcome"] == "answered"
    }
    captures = [row for row in record["transfers"] if row["kind"] == "capture"]
    times = Counter(row["details"].get("reply_id") for row in captures)
    for reply in paid:
        if times[reply] != 1:
            yield f"the answer of reply {reply} was paid {times[reply]} times"
    for row in captures:
        answer = paid.get(row["details"].get("reply_id"))
        if answer is None:
            yield f"capture {row['key']} is of no delivered answer"
        elif (row["user_id"], row["amount"]) != (owner[answer["dialog_id"]], price[assistant[answer["dialog_id"]]]):
            yield f"capture {row['key']} took {row['amount']} of user {row['user_id']}: not the price, or not its payer"
    for hold in record["holds"]:
        if hold["state"] == "open":
            yield f"hold {hold['id']} of {hold['amount']} is still open"
    moved = Counter(row["kind"] for row in record["transfers"])
    if moved["hold"] != len(record["holds"]):
        yield f"{len(record['holds'])} holds have {moved['hold']} transfers"


def calls_are_bounded(story: Story, record: Record) -> Iterator[str]:
    """I7: the model is called once a try, and once more for each message that started an answer anew or failed call."""
    for counts in story.rows["llm"]:
        calls = counts["counts"]
        whole = sum(number for kind, number in calls.items() if kind in ("whole", "cut", "silent", "garbage"))
        tries = sum(row["attempts"] for row in record["replies"])
        said = sum(row["sender"] == "user" for row in record["messages"])
        answered = sum(row["outcome"] == "answered" for row in record["messages"])
        if whole > tries + said:
            yield f"{whole} calls for {tries} tries and {said} messages"
        if whole < answered:
            yield f"{answered} answers of {whole} calls"


def keys_are_counted(story: Story, record: Record) -> Iterator[str]:
    """I10: the keys' counters are the calls made; a call that died before it was made may have been counted."""
    for counts in story.rows["llm"]:
        made = sum(number for kind, number in counts["counts"].items() if kind != "open")
        counted = sum(row["monthly_usage"] for row in record["keys"])
        kills = len(story.rows["kill"])
        # At most the threads of a worker were between counting and calling when it died.
        if not made <= counted <= made + 16 * kills:
            yield f"{made} calls were made, {counted} were counted, at {kills} kills"
    for key in record["keys"]:
        if key["daily_usage"] > key["monthly_usage"]:
            yield f"key {key['name']} was used {key['daily_usage']} times today, {key['monthly_usage']} this month"
