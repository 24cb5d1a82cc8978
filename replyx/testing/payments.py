"""YooKassa and Stripe over loopback, as their clients see them: payments, refunds, and the callbacks they send."""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from decimal import Decimal

from replyx.testing.payment_server import Answer, PaymentServer, ProviderRequest
from replyx.types import Json


class FakeYooKassa(PaymentServer):
    """REST v3: `POST /v3/payments`, `GET /v3/payments/ID`, `POST /v3/refunds`."""

    key_header = "idempotence-key"

    def __init__(self, shop_id: str = "100500", secret_key: str = "test_secret") -> None:
        super().__init__()
        self.shop_id, self.secret_key = shop_id, secret_key
        self.payments: dict[str, Json] = {}

    @property
    def base_url(self) -> str:
        """What `plugin.yookassa.base_url` is set to."""
        return f"{self.url}/v3"

    def pay(self, payment_id: str) -> None:
        """The payer pays."""
        self.payments[payment_id] |= {"status": "succeeded", "paid": True}

    def cancel(self, payment_id: str) -> None:
        """The payer, or time, cancels."""
        self.payments[payment_id] |= {"status": "canceled"}

    def notification(self, payment_id: str, event: str = "payment.succeeded") -> bytes:
        """The body of a callback."""
        about: Json = self.payments.get(payment_id, {"id": payment_id, "status": "succeeded"})
        if event.startswith("refund."):
            about = {"id": str(uuid.uuid4()), "payment_id": payment_id, "status": "succeeded"}
        return json.dumps({"type": "notification", "event": event, "object": about}).encode()

    def answer(self, request: ProviderRequest) -> Answer:
        if (request.user, request.password) != (self.shop_id, self.secret_key):
            return _yookassa_error(401, "invalid_credentials")
        if request.method == "POST" and not request.headers.get(self.key_header):
            return _yookassa_error(400, "invalid_request")
        match request.method, request.path.removeprefix("/v3").split("/")[1:]:
            case "POST", ["payments"]:
                return self._create(request.body)
            case "GET", ["payments", payment_id] if payment_id in self.payments:
                return 200, self.payments[payment_id]
            case "POST", ["refunds"]:
                return self._refund(request.body)
        return _yookassa_error(404, "not_found")

    def _create(self, body: Json) -> Answer:
        value = body["amount"]["value"]
        if not isinstance(value, str) or Decimal(value) <= 0 or not body["confirmation"].get("return_url"):
            return _yookassa_error(400, "invalid_request")
        made: Json = {
            "id": str(uuid.uuid4()),
            "status": "pending",
            "paid": False,
            "amount": body["amount"],
            "confirmation": {"type": "redirect", "confirmation_url": f"{self.url}/checkout"},
            "description": body.get("description"),
            "metadata": body.get("metadata", {}),
            "refundable": False,
            "test": True,
        }
        self.payments[made["id"]] = made
        return 200, made

    def _refund(self, body: Json) -> Answer:
        found = self.payments.get(body["payment_id"])
        if found is None or found["status"] != "succeeded":
            return _yookassa_error(400, "invalid_request")
        given = Decimal(found.get("refunded_amount", {"value": "0"})["value"]) + Decimal(body["amount"]["value"])
        if given > Decimal(found["amount"]["value"]):
            return _yookassa_error(400, "invalid_request")
        found["refunded_amount"] = {"value": f"{given:.2f}", "currency": "RUB"}
        refund = {"id": str(uuid.uuid4()), "payment_id": found["id"], "status": "succeeded", "amount": body["amount"]}
        return 200, refund


def _yookassa_error(status: int, code: str) -> Answer:
    return status, {"type": "error", "id": str(uuid.uuid4()), "code": code, "description": "A sentence."}


class FakeStripe(PaymentServer):
    """`/v1/checkout/sessions`, `/v1/refunds`: forms in, JSON out, as the API does it."""

    key_header = "idempotency-key"

    def __init__(self, secret_key: str = "sk_test_0", webhook_secret: str = "whsec_test") -> None:
        super().__init__()
        self.secret_key, self.webhook_secret = secret_key, webhook_secret
        self.sessions: dict[str, Json] = {}

    def pay(self, session_id: str) -> None:
        """The payer pays."""
        charge = {"id": f"ch_{uuid.uuid4().hex}", "amount_refunded": 0, "metadata": self._metadata(session_id)}
        intent = {"id": f"pi_{uuid.uuid4().hex}", "latest_charge": charge}
        self.sessions[session_id] |= {"status": "complete", "payment_status": "paid", "payment_intent": intent}

    def expire(self, session_id: str) -> None:
        """Nobody paid in a day."""
        self.sessions[session_id] |= {"status": "expired"}

    def event(self, session_id: str, kind: str = "checkout.session.completed") -> bytes:
        """The body of a webhook."""
        about: Json = self.sessions.get(session_id, {"id": session_id, "object": "checkout.session"})
        if kind.startswith("charge."):
            about = about["payment_intent"]["latest_charge"]
        sent = {"id": f"evt_{uuid.uuid4().hex}", "object": "event", "type": kind, "data": {"object": about}}
        return json.dumps(sent).encode()

    def signature(self, body: bytes, moment: float) -> str:
        """The `Stripe-Signature` of a webhook that is sent at `moment` (seconds since 1970)."""
        signed = f"{int(moment)}.".encode() + body
        digest = hmac.new(self.webhook_secret.encode(), signed, hashlib.sha256).hexdigest()
        return f"t={int(moment)},v1={digest},v0=0"

    def answer(self, request: ProviderRequest) -> Answer:
        if request.user != self.secret_key:
            return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
        match request.method, request.path.split("/")[1:]:
            case "POST", ["v1", "checkout", "sessions"]:
                return self._create(request.body)
            case "GET", ["v1", "checkout", "sessions", session_id] if session_id in self.sessions:
                return 200, self.sessions[session_id]
            case "POST", ["v1", "refunds"]:
                return self._refund(request.body)
        return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}

    def _create(self, form: Json) -> Answer:
        if form.get("mode") != "payment" or not form.get("success_url"):
            return 400, {"error": {"type": "invalid_request_error", "code": "parameter_missing"}}
        made: Json = {
            "id": f"cs_test_{uuid.uuid4().hex}",
            "object": "checkout.session",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "currency": form["line_items[0][price_data][currency]"],
            "client_reference_id": form["client_reference_id"],
            "metadata": {"payment_id": form["metadata[payment_id]"]},
            "payment_intent": None,
            "url": f"{self.url}/c/pay",
        }
        self.sessions[made["id"]] = made
        return 200, made

    def _refund(self, form: Json) -> Answer:
        for session in self.sessions.values():
            intent = session["payment_intent"]
            if intent is not None and intent["id"] == form["payment_intent"]:
                charge = intent["latest_charge"]
                if charge["amount_refunded"] + int(form["amount"]) > session["amount_total"]:
                    return 400, {"error": {"type": "invalid_request_error", "code": "charge_already_refunded"}}
                charge["amount_refunded"] += int(form["amount"])
                return 200, {"id": f"re_{uuid.uuid4().hex}", "object": "refund", "status": "succeeded"}
        return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}

    def _metadata(self, session_id: str) -> Json:
        found: Json = self.sessions[session_id]["metadata"]
        return found
