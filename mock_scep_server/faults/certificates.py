"""Faults of the certificates layer: issued certificates (templates) and the CA's own certificates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mock_scep_server.ca import CertificateAuthority, Template
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.publishing import NextCaCertificates

__all__ = ["AlteredCertificate", "AlteredNextCa", "Face"]


@dataclass(frozen=True)
class AlteredCertificate(Fault):
    """Change fields of a certificate."""

    change: Callable[[Template, Context], Template]

    def on_template(self, template: Template, context: Context) -> Template:
        return self.change(template, context)


@dataclass(frozen=True)
class Face(Fault):
    """Change the CA: its identities, or the certificates in GetCACert."""

    change: Callable[[CertificateAuthority, Context], CertificateAuthority]

    def on_authority(self, authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        return self.change(authority, context)


@dataclass(frozen=True)
class AlteredNextCa(Fault):
    """Change the reply to GetNextCACert."""

    change: Callable[[NextCaCertificates, Context], NextCaCertificates] = lambda plan, context: plan  # noqa: ARG005

    def on_next_ca(self, plan: NextCaCertificates, context: Context) -> NextCaCertificates:
        return self.change(plan, context)
