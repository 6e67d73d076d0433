"""The JSON schemas of the replies of the control API."""

from __future__ import annotations

from typing import Any, Final

from mock_scep_server.control_routes import list_of, object_of

__all__ = ["CLIENTS", "COUNT", "DONE", "EXCHANGE", "JOURNAL", "LEDGER", "QUEUE", "RULES", "STATUS", "TEXT"]

_Schema = dict[str, Any]
TEXT: Final[_Schema] = {"type": "string"}
_NUMBER: Final[_Schema] = {"type": "integer", "minimum": 0}
_FLAG: Final[_Schema] = {"type": "boolean"}
_TIME: Final[_Schema] = {"type": "string", "format": "date-time"}
_TEXTS: Final = list_of(TEXT)
_FATES = object_of(dict.fromkeys(("minted", "delivered", "installed", "orphaned"), _NUMBER))

DONE = object_of({"ok": _FLAG})
COUNT = object_of({"count": {**_NUMBER, "description": "the number of objects that changed"}})
STATUS = object_of(
    {
        "profile": TEXT,
        "now": _TIME,
        "capabilities": {"type": ["array", "null"], "items": TEXT},
        "ca_certificate": {**TEXT, "description": "SHA-256, hexadecimal"},
        "requests": _NUMBER,
        "ledger": _FATES,
        "dropped": object_of(dict.fromkeys(("journal", "transactions", "ledger"), _NUMBER)),
        "waiting": _NUMBER,
        "challenges_outstanding": {"type": ["integer", "null"]},
    }
)
_RULE = object_of(
    {"rule": _NUMBER, "fitted": _NUMBER, "taken": _NUMBER},
    {
        "place": TEXT,
        "when": {"type": "object"},
        "then": TEXT,
        "faults": _TEXTS,
        "times": _NUMBER,
        "until": TEXT,
        "chance": TEXT,
        "over": TEXT,
    },
)
RULES = list_of(_RULE)
_ENTRY = object_of(
    {"number": _NUMBER, "time": _TIME, "client": TEXT, "method": TEXT, "name": TEXT},
    {
        "transaction": TEXT,
        "subject": TEXT,
        "rule": _NUMBER,
        "overruled": _NUMBER,
        "decision": TEXT,
        "faults": _TEXTS,
        "without_effect": _TEXTS,
        "status": _NUMBER,
        "sent": TEXT,
        "notes": _TEXTS,
        "near_misses": _TEXTS,
        "changes": _TEXTS,
        "judgement": {**_TEXTS, "description": "fail, warn or note, a requirement, and a sentence"},
        "takes": {"type": "number", "description": "seconds until the reply leaves"},
        "exchange": {**_NUMBER, "description": "the number of the saved exchange"},
    },
)
JOURNAL = object_of(
    {"count": {**_NUMBER, "description": "the number of all requests so far"}, "entries": list_of(_ENTRY)}
)
_CERTIFICATE = object_of(
    {
        "serial": TEXT,
        "subject": TEXT,
        "transaction": TEXT,
        "minted": _TIME,
        "not_before": _TIME,
        "not_after": _TIME,
        "delivered": _FLAG,
        "installed": _FLAG,
        "cause": {"type": ["string", "null"], "description": "why no client has it; null if a client has it"},
    }
)
LEDGER = object_of({"counts": _FATES, "entries": list_of(_CERTIFICATE)})
QUEUE = list_of(object_of({"transaction": TEXT, "subject": TEXT, "since": _TIME, "approved": _FLAG}))
_FINDINGS = list_of(object_of({"finding": TEXT, "times": _NUMBER}))
CLIENTS = list_of(object_of({"client": TEXT, "requests": _NUMBER, "granted": _NUMBER, "findings": _FINDINGS}))
_SIDE = object_of(
    {
        "head": _TEXTS,
        "body": {**TEXT, "contentEncoding": "base64"},
        "decoded": {"type": ["object", "null"]},
    }
)
EXCHANGE = object_of({"number": _NUMBER, "name": TEXT, "request": _SIDE, "reply": _SIDE})
