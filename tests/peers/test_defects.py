"""What each client does otherwise than the RFC or than all others: pinned, so that a mended version is noticed here."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from table import CERTMONGER, DES3, MICROMDM, NO_MD5, NO_NAME, STRONGSWAN, Ca

from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply
from mfp_sim.shared.scep.messages import CertRep, Oddities
from mock_scep_server.faults.base import Context, Fault

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class Reversed(Fault):
    """The CA's certificate before the issued one."""

    def on_message(self, reply: CertRep, context: Context) -> CertRep:
        return replace(reply, certificates=reply.certificates[::-1])


@dataclass(frozen=True)
class Odd(Fault):
    """A reply with options of the writer."""

    oddities: Oddities

    def on_message(self, reply: CertRep, context: Context) -> CertRep:
        return replace(reply, oddities=self.oddities)


@dataclass(frozen=True)
class MediaType(Fault):
    """A reply under another Content-Type."""

    value: str

    def on_http(self, reply: HttpReply, context: Context) -> HttpReply:
        rest = tuple(pair for pair in reply.headers if pair[0] != "Content-Type")
        return replace(reply, headers=(("Content-Type", self.value), *rest))


# --- micromdm ---------------------------------------------------------------------------------------------


def test_micromdm_speaks_single_des_and_sha1_whatever_is_offered(mock, client) -> None:
    server = mock(Ca("rfc8894", caps=("AES", "SHA-256", "POSTPKIOperation", "SCEPStandard")))
    client(MICROMDM).enrol(server.url, server.ca_file)
    message = messages.decode(server.bodies[-1])
    assert message.envelope is not None
    assert (message.envelope.cipher, message.digest) == ("des-cbc", "sha1")


def test_micromdm_envelops_to_every_certificate_of_the_ca(mock, client) -> None:
    server = mock(Ca("lenient", ra="split"))
    assert client(MICROMDM).enrol(server.url, server.ca_file).certificate is not None
    envelope = messages.decode(server.bodies[-1]).envelope
    assert envelope is not None
    served = [certificate.serial for certificate in server.service.authority.certificates]
    assert sorted(recipient.serial for recipient in envelope.recipients) == sorted(served)


def test_micromdm_keeps_the_first_certificate_as_its_own(mock, client, openssl) -> None:
    server = mock(Ca("lenient"), faults=[Reversed()])
    told = client(MICROMDM).enrol(server.url, server.ca_file)
    assert told.certificate is not None, told.text
    kept = openssl("x509", "-in", str(told.certificate), "-noout", "-fingerprint", "-sha256").strip()
    ours = server.service.authority.issuer.certificate.fingerprint()
    assert kept.partition("=")[2].replace(":", "").lower() == ours, "a mended version keeps its own certificate"


def test_micromdm_cannot_read_md5_and_blames_the_cipher(mock, client) -> None:
    server = mock(Ca("lenient", values=(("reply_digest", "md5"),)))
    told = client(MICROMDM).enrol(server.url, server.ca_file)
    assert server.decisions[-1].startswith("SUCCESS")
    assert told.certificate is None, "a mended version enrols here"
    assert NO_MD5 in told.text


# --- strongSwan -------------------------------------------------------------------------------------------


def test_strongswan_wants_rsa_encryption_as_signature_algorithm(mock, client) -> None:
    server = mock(Ca("rfc8894", caps=("+SHA-384",)), faults=[Odd(Oddities(signature_name="combined"))])
    told = client(STRONGSWAN).enrol(server.url, server.ca_file)
    assert server.decisions[-1].startswith("SUCCESS")
    assert told.certificate is None, "a mended version enrols here"
    assert NO_NAME in told.text


def test_strongswan_reads_constructed_ciphertext_with_its_openssl_plugin_only(mock, client) -> None:
    server = mock(Ca("rfc8894"), faults=[Odd(Oddities(constructed_ciphertext=True))])
    told = client(STRONGSWAN).enrol(server.url, server.ca_file, *DES3)
    assert server.decisions[-1].startswith("SUCCESS")
    assert told.certificate is None, "a mended version enrols here"
    assert "could not decrypt envelopedData" in told.text
    told = client(STRONGSWAN, openssl=True).enrol(server.url, server.ca_file, *DES3)
    assert told.certificate is not None, told.text


@pytest.mark.parametrize("options", [(), DES3], ids=["AES", "3DES"])
def test_strongswan_enrols_with_its_openssl_plugin_as_without(mock, client, verified, options) -> None:
    """Debian installs it with what is recommended, so most machines have it."""
    server = mock(Ca("rfc8894", caps=("+SHA-384",)))
    for openssl in (False, True):
        told = client(STRONGSWAN, openssl=openssl).enrol(server.url, server.ca_file, *options)
        assert told.certificate is not None, told.text
        assert "printer-1.example" in verified(server, told.certificate)


def test_strongswan_posts_where_post_is_not_listed(mock, client) -> None:
    server = mock(Ca("rfc8894", caps=("AES", "SHA-256", "SHA-384")))
    assert client(STRONGSWAN).enrol(server.url, server.ca_file).certificate is not None
    assert server.received[-1].method == "POST", "a mended version uses GET"


def test_strongswan_leaves_out_content_type_and_user_agent(mock, client) -> None:
    server = mock(Ca("rfc8894", caps=("+SHA-384",)))
    assert client(STRONGSWAN).enrol(server.url, server.ca_file).certificate is not None
    post = server.received[-1]
    assert (post.method, post.header("Content-Type") or None, post.header("User-Agent")) == ("POST", None, None)


def test_strongswan_does_not_sort_its_attributes(mock, client) -> None:
    server = mock(Ca("rfc8894", caps=("+SHA-384",)))
    assert client(STRONGSWAN).enrol(server.url, server.ca_file).certificate is not None
    assert any(note.startswith("SCEP-3.3.1-10 ") for note in server.messages[-1].notes), server.messages[-1].notes


# --- certmonger -------------------------------------------------------------------------------------------


def test_certmonger_ignores_the_capabilities(mock, client) -> None:
    server = mock(Ca("rfc8894", caps=("POSTPKIOperation", "SHA-256")))
    assert client(CERTMONGER).enrol(server.url, server.ca_file).certificate is not None
    assert {request.method for request in server.received} == {"GET"}
    message = messages.decode(server.bodies[-1])
    signer = message.signer()
    assert isinstance(signer, Certificate)
    assert message.envelope is not None
    assert message.envelope.cipher == "aes-256-cbc"
    assert (signer.version, len(str(message.transaction_id)) > 70) == (1, True)


def test_certmonger_wants_the_exact_media_type(mock, client) -> None:
    server = mock(Ca("rfc8894"), faults=[MediaType("application/x-pki-message; charset=utf-8")])
    told = client(CERTMONGER).enrol(server.url, server.ca_file)
    assert server.decisions[-1].startswith("SUCCESS")
    assert told.certificate is None, "a mended version enrols here"
    assert "CA_UNREACHABLE" in told.text


def test_certmonger_wants_a_sender_nonce(mock, client) -> None:
    server = mock(Ca("rfc8894"), faults=[Odd(Oddities(omit=frozenset({"senderNonce"})))])
    told = client(CERTMONGER).enrol(server.url, server.ca_file)
    assert server.decisions[-1].startswith("SUCCESS")
    assert told.certificate is None, "a mended version enrols here"


def test_certmonger_reads_single_des_as_little_as_openssl_does(mock, client, read_by_openssl) -> None:
    """OpenSSL 3 refuses it in the same words, unless its legacy provider is loaded: nothing else is wrong with it."""
    # With the signer's certificate beside it, so that openssl finds it.
    server, peer = mock(Ca("ndes-2008r2", values=(("outer_certificates", "signer"),))), client(CERTMONGER)
    told = peer.enrol(server.url, server.ca_file)
    assert server.decisions[-1].startswith("SUCCESS")
    assert told.certificate is None, "a mended version enrols here"
    assert "error:0308010C:" in told.text
    with pytest.raises(AssertionError, match=":error:0308010C:.*DES-CBC"):
        read_by_openssl(server, peer.key_file, legacy=False)
    assert "subject=CN = printer-1.example" in read_by_openssl(server, peer.key_file)
