"""Masks the secrets in the stored bytes of an exchange: logins, cookies, passwords in a URL, NDES's page.

Enveloped content is not changed, since it cannot be read without a key. The lengths of bodies stay the same.
"""

from __future__ import annotations

import re

from mfp_sim.shared.redaction import MASK, Redactor

__all__ = ["masked"]

_FIELDS = re.compile(
    rb"(?im)^((?:proxy-)?authorization|(?:set-)?cookie|[\w-]*(?:api-?key|token|secret|password)[\w-]*):[^\r\n]*"
)
_QUERY = re.compile(rb"(?i)([?&;\n][^=&\s]*(?:challenge|passw|pwd|secret|token)[^=&\s]*=)([^&;\s]+)")
_PASSWORD = re.compile(rb"(?:[0-9A-Fa-f]\x00?){8,64}")
"""The challenge password on NDES's page, also in UTF-16, and the CA's hash, which looks the same."""


def masked(octets: bytes, redactor: Redactor) -> bytes:
    """A request or a reply with the secrets overwritten: in its head, and in a body that is a form or a page."""
    head, end, body = octets.partition(b"\r\n\r\n")
    head = _FIELDS.sub(rb"\1: " + MASK.encode(), head)
    head = _QUERY.sub(lambda found: found[1] + MASK.encode(), head)
    if b"application/x-www-form-urlencoded" in head.lower():
        body = _QUERY.sub(lambda found: found[1] + b"*" * len(found[2]), b"\n" + body)[1:]
    elif b"text/html" in head.lower() and b"challenge" in body.replace(b"\x00", b"").lower():
        body = _PASSWORD.sub(lambda found: re.sub(rb"[^\x00]", b"*", found[0]), body)
    return redactor.octets(head) + end + body
