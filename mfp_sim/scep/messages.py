"""SCEP messages as frozen values: the one import for reading any pkiMessage and writing requests and CertReps.

Gathers what :mod:`~mfp_sim.scep.reading`, :mod:`~mfp_sim.scep.writing` and :mod:`~mfp_sim.scep.contents` own.
"""

from __future__ import annotations

from mfp_sim.scep.cms import Envelope
from mfp_sim.scep.contents import (
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
from mfp_sim.scep.note import Note
from mfp_sim.scep.oddities import Oddities
from mfp_sim.scep.reading import PkiMessage, decode, open_envelope
from mfp_sim.scep.writing import CertRep, Request, encode_cert_rep, encode_request

__all__ = [
    "CertRep",
    "Envelope",
    "Note",
    "Oddities",
    "PkiMessage",
    "Request",
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
