"""The set of wrong servers, by name: ``SERVERS``. Each module is a chapter."""

from wrong_servers import (
    ca_certificates,
    capabilities,
    challenge,
    http,
    issued_certificates,
    renewal,
    replies,
    request_validation,
    transactions,
)
from wrong_servers.base import SERVERS, WrongServer

CHAPTERS = (
    capabilities,
    ca_certificates,
    request_validation,
    challenge,
    renewal,
    issued_certificates,
    replies,
    transactions,
    http,
)

__all__ = ["CHAPTERS", "SERVERS", "WrongServer"]
