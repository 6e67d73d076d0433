"""SCEP messages as frozen values: the single import for reading any pkiMessage and writing requests and CertReps.

Re-exports the names of ``reading``, ``writing`` and ``contents``.
"""

from __future__ import annotations

from mfp_sim.shared.scep.cms import Envelope
from mfp_sim.shared.scep.contents import (
    certs_only,
    encode_next_ca,
    issuer_and_serial,
    issuer_and_subject,
    read_ca_certificates,
    read_certs_only,
    read_crls,
    read_issuer_and_serial,
    read_issuer_and_subject,
    read_next_ca,
)
from mfp_sim.shared.scep.note import Note
from mfp_sim.shared.scep.oddities import Oddities
from mfp_sim.shared.scep.reading import PkiMessage, decode, open_envelope
from mfp_sim.shared.scep.writing import CertRep, RequestContent, encode_cert_rep, encode_request

__all__ = [
    "CertRep",
    "Envelope",
    "Note",
    "Oddities",
    "PkiMessage",
    "RequestContent",
    "certs_only",
    "decode",
    "encode_cert_rep",
    "encode_next_ca",
    "encode_request",
    "issuer_and_serial",
    "issuer_and_subject",
    "open_envelope",
    "read_ca_certificates",
    "read_certs_only",
    "read_crls",
    "read_issuer_and_serial",
    "read_issuer_and_subject",
    "read_next_ca",
]
