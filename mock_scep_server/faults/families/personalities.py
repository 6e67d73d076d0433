"""Combinations of faults as found in one server in the field. Each part is a fault of another family."""

from __future__ import annotations

from dataclasses import replace

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE
from mfp_sim.shared.scep.messages import CertRep
from mock_scep_server.faults.base import Context
from mock_scep_server.faults.certificates import Face
from mock_scep_server.faults.combined import Together, at
from mock_scep_server.faults.delivery import CutOff
from mock_scep_server.faults.families.authority import split
from mock_scep_server.faults.families.capabilities import words
from mock_scep_server.faults.http_reply import HeaderField, PageInstead
from mock_scep_server.faults.message import Said, odd
from mock_scep_server.faults.registry import Spec

PKI = "PKIOperation"
NDES_CAPS = ("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3")
EMPTY_POST = at(PKI, PageInstead(200, PKI_MESSAGE, b""), method="POST")


def _des(reply: CertRep, context: Context) -> CertRep:
    return odd(single_des=True).on_message(replace(reply, digest="sha1"), context)


def _oaep(reply: CertRep, context: Context) -> CertRep:
    """Use OAEP, unasked, in replies to AES requests."""
    envelope = context.asked.message.envelope if context.asked else None
    if envelope is None or not envelope.cipher.startswith("aes"):
        return reply
    return odd(key_transport=KeyTransport("oaep", parameters="explicit")).on_message(reply, context)


def _failure(reply: CertRep, context: Context) -> CertRep:
    """The FAILURE of NDES: one zero byte as content, no certificates, an HRESULT as text (F-E06)."""
    result = (v.NDES_RESULT, (der.printable_string("-2147024809"),))
    bare = odd(certificates="absent", extra_signed=(*reply.oddities.extra_signed, result))
    return bare.on_message(replace(reply, empty_content="zero", digest="sha1", fail_info_text=None), context)


def _server(name: str) -> HeaderField:
    return HeaderField("Server", name)


TABLE: dict[str, Spec] = {
    "ndes-2008": Spec(
        "message",
        lambda: Together(
            (
                at("GetCACaps", CutOff("close")),
                Face(split),
                at(
                    PKI,
                    PageInstead(500, "text/html", b"<html><body>POST is not supported.</body></html>\n"),
                    method="POST",
                ),
                Said(_des),
                _server("Microsoft-IIS/7.5"),
            )
        ),
    ),
    "ndes-2012": Spec(
        "message", lambda: Together((words(*NDES_CAPS), EMPTY_POST, Said(_oaep), _server("Microsoft-IIS/8.5")))
    ),
    "ndes-2019": Spec(
        "message",
        lambda: Together(
            (words(*NDES_CAPS), Face(split), at(PKI, Said(_failure), statuses="FAILURE"), _server("Microsoft-IIS/10.0"))
        ),
    ),
}
