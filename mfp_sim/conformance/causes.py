"""What went wrong, by cause: one table, from which every deviation has exactly one entry.

A cause is known by what a check gives as its reason: the check, the fact's slug, and the kind of answer that came;
never by the words of a message. The rows of :data:`ANYWHERE` are about how any request is answered and come first;
those of :data:`CAUSES` name their places: ``check``, ``check/slug`` or ``check/slug@came``. Remedies stand only where
they are known. Owns no verdict: what a deviation is worth follows from its requirement
(:mod:`mfp_sim.conformance.model`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from mfp_sim.conformance.model import HURT, Check, CheckResult, Fact
from mfp_sim.conformance.outcomes import Came
from mfp_sim.report.model import KINDS, CauseKind

__all__ = ["ANYWHERE", "CAUSES", "Cause", "cause_of", "title_of"]


@dataclass(frozen=True)
class Cause:
    """One mistake of a server.

    ``title`` says what went wrong; ``places`` are where it shows, each with what went wrong there (empty: the title).
    ``clients`` are those that stumble over it; ``grave``: somebody gets what is not his, or anybody can end the
    service, in the words of a verdict. ``slugs``, ``came`` (none: any) and ``told``, which says what went wrong in one
    check, are for :data:`ANYWHERE`.
    """

    id: str
    kind: CauseKind
    title: str
    places: Mapping[str, str] = field(default_factory=dict)
    remedy: str = ""
    clients: tuple[str, ...] = ()
    grave: str = ""
    slugs: tuple[str, ...] = ()
    came: tuple[Came | None, ...] = ()
    told: str = "{what} was answered with {got}"

    def is_anywhere(self, fact: Fact) -> bool:
        """Whether the fact is this cause's by slug and kind of answer, whatever the check."""
        return fact.slug in self.slugs and (not self.came or fact.came in self.came)


_STRANGER = "Issues certificates to strangers"
_DOWN = "Stops at a single request"
_ERRORS = (
    "refused-without-certrep", "not-a-certrep", "no-certrep", "crash", "not-a-client-error", "not-refused", "answered",
)  # fmt: skip
"""Slugs of the facts that say how an error is told."""

ANYWHERE: tuple[Cause, ...] = (
    Cause("goes-down", "security", "A request stops the server", slugs=HURT[:1], grave=_DOWN,
          told='After "{what}" the server did not answer any more'),
    Cause("away-for-a-moment", "robustness", "After a request the server does not answer for a moment", slugs=HURT[1:],
          told='After "{what}" the server did not answer at once'),
    Cause(
        "closes-connection", "robustness", "Requests are answered by closing the connection",
        slugs=("connection-lost", *_ERRORS), came=("nothing",), told="To {what} there is never a reply",
        remedy="find what ends with the request in the server's log; a reverse proxy in front may drop it too",
    ),
    Cause(
        "errors-are-http-5xx", "robustness",
        "Errors are answered with HTTP 5xx instead of a signed CertRep or HTTP 4xx",
        slugs=_ERRORS, came=("http-5xx",),
        remedy="answer what was read and is refused with a signed CertRep FAILURE and a failInfo under HTTP 200, and "
        "what cannot be read with HTTP 400",
        clients=("every client: it sees a failed transport, and tries again",),
    ),
    Cause(
        "errors-are-http-4xx", "robustness", "Refusals are HTTP errors of the client instead of a signed CertRep",
        slugs=_ERRORS, came=("http-4xx",),
        remedy="answer with a signed CertRep FAILURE and a failInfo under HTTP 200",
        clients=("every client: it sees a failed transport, and tries again",),
    ),
    Cause(
        "errors-are-pages", "interoperability", "Errors are answered with neither a CertRep nor an HTTP error",
        slugs=_ERRORS[:-1], came=("other",),
    ),
    Cause(  # of a run that was written down by a version that did not say what came
        "errors-untold", "robustness", "Errors are answered otherwise than with a signed CertRep",
        slugs=_ERRORS, came=(None,),
    ),
    Cause(
        "failures-unsigned", "security", "A FAILURE is not signed by the server: anybody can refuse in its name",
        slugs=("refusal-not-signed",), told="The FAILURE to {what} is not signed by the server",
    ),
    Cause(
        "failinfo-unfit", "hygiene", "The failInfo of a refusal is missing or does not say what was wrong",
        {"certrep-failinfo-present": "A FAILURE has no failInfo"},
        slugs=("refused-for-another-reason", "another-reason"), told="{what} was refused with another reason: {got}",
    ),
)  # fmt: skip
"""How any request is answered. The first that fits is the cause."""

CAUSES: tuple[Cause, ...] = (
    # --- security: who gets what ---
    Cause("certificates-for-strangers", "security", "Certificates are issued without the right challenge", {
        "challenge-missing": "A request without a challenge was accepted",
        "challenge-wrong": "A wrong challenge was accepted",
        "challenge-empty": "An empty challenge was accepted",
        "challenge-foreign-signer": "A certificate of another CA replaced the challenge",
    }, grave=_STRANGER),
    Cause("challenge-picked", "security", "Of several challenges in one request the right one is picked", {
        "challenge-twice": "",
    }),
    Cause("challenge-compared-loosely", "security", "The challenge is not compared letter by letter", {
        "challenge-exact": "A challenge that is not quite the right one was accepted",
        "challenge-exact/granted-in-another-case": "A challenge in the other case was accepted",
        "challenge-exact/granted-with-blanks": "A challenge with blanks around it was accepted",
    }, remedy="compare the bytes of the challenge, unchanged"),
    Cause("renews-for-strangers", "security", "Whoever asks can renew: the signer of a RenewalReq is not verified", {
        "renewal-self-signed": "A self-signed certificate renewed",
        "renewal-self-signed/granted-by-enclosed": "A certificate renewed that merely came with the request",
        "renewal-by-stranger": "A certificate of another CA renewed",
        "renewal-self-signed/granted-with-wrong-challenge": "A self-signed certificate renewed with a wrong challenge",
        "renewal-by-stranger/granted-with-wrong-challenge": "A foreign certificate renewed with a wrong challenge",
        "renewal-expired": "An expired certificate renewed",
        "renewal-revoked": "A revoked certificate renewed",
    }, remedy="verify that the signer's certificate was issued by this CA and is valid", grave=_STRANGER),
    Cause("renewal-unverified", "security", "A renewal with the right challenge is granted whoever signed it", {
        f"{name}/granted-with-challenge": words for name, words in (
            ("renewal-self-signed", "A self-signed certificate renewed, since the challenge was right"),
            ("renewal-by-stranger", "A certificate of another CA renewed, since the challenge was right"),
            ("renewal-expired", "An expired certificate renewed, since the challenge was right"),
            ("renewal-revoked", "A revoked certificate renewed, since the challenge was right"),
        )
    }, remedy="verify the signer of a RenewalReq whatever challenge comes with it"),
    Cause("renews-other-names", "security", "A certificate renews another name than its own", {
        "renewal-other-name": "",
    }, remedy="compare the CSR's subject with that of the signer's certificate",
        grave="Gives one device a certificate in another's name"),
    Cause("renewal-adds-names", "security", "A renewal gives names that the certificate does not have", {
        "renewal-adds-names": "",
    }, remedy="compare the CSR's subject alternative names with those of the signer's certificate"),
    Cause("transaction-is-password", "security", "Whoever knows a transactionID gets its certificate", {
        "poll-by-another-key": "",
    }, remedy="compare the key that polls with the key that asked"),
    Cause("unapproved-issued", "security", "A request that waits for approval is granted without it", {
        "poll-pending/issued-unapproved": "A poll was taken for approval",
        "poll-pending/issued-on-repetition": "The same request again was taken for approval",
        "poll-rejected/issued-though-rejected": "A request was granted that the operator had rejected",
    }, remedy="issue when the operator has decided, and not when the client asks again"),
    Cause("ca-certificates-issued", "security", "A device that asks for a CA certificate gets one", {
        "ca-true-not-copied": "",
    }, remedy="set basicConstraints and keyUsage by the CA's profile, not by the request",
        grave="Makes a CA of a device that asks for it"),
    Cause("powers-granted", "security", "A CSR that asks for powers which only the CA may give gets them", {
        "powers-not-copied": "",
        "issued-adds-nothing": "Certificates have rights that nobody asked for",
    }, remedy="take from a CSR no more than names, and the usages and purposes that its profile allows"),
    Cause("signature-unverified", "security", "Requests are accepted whose signature protects nothing", {
        "refuses-bad-signature": "A request was accepted whose signature does not verify",
        "refuses-wrong-digest": "A request was accepted whose messageDigest is wrong",
        "refuses-changed-content": "A request was accepted whose ciphertext was changed",
        "refuses-no-signed-attributes": "A request without signed attributes was accepted",
        "refuses-unsigned-attributes": "A request was accepted whose SCEP attributes are not signed",
        "refuses-stripped-attributes": "A request was accepted whose signed attributes stand in the content",
        "refuses-no-signer": "A request was accepted that nobody signed",
        "refuses-no-cms-attributes": "A request without messageDigest was accepted",
        "signer-missing": "A request was accepted without its signer's certificate",
    }, remedy="verify the CMS signature and messageDigest before anything else is read"),
    Cause("key-unproved", "security", "Certificates are issued for keys that the client has not shown to have", {
        "refuses-csr-forged": "A CSR was accepted whose own signature does not verify",
        "renewal-csr-forged": "A RenewalReq was accepted whose CSR is not signed by its key",
    }, remedy="verify the CSR's own signature, in renewals too"),
    Cause("unencrypted-accepted", "security", "Requests in the clear are accepted", {
        "refuses-unencrypted": "A request that is not encrypted was accepted",
    }),
    Cause("weak-accepted", "security", "Broken algorithms or short keys are accepted", {
        "single-des-refused": "Single DES was accepted",
        "md5-refused": "An MD5 signature was accepted",
        "weak-only-if-advertised": "3DES with SHA-1 was accepted without being advertised",
        "weak-keys-refused": "A certificate was issued for an RSA key of 1024 bits",
    }, remedy="compare the cipher and the digest of a request with those that GetCACaps advertises, and require keys "
        "of 2048 bits"),
    Cause("ca-key-short", "security", "A certificate of GetCACert has a short key", {"ca-key-length": ""}),
    Cause("md5-replies", "security", "Replies are signed with MD5", {"md5-never": ""}),
    Cause("sha1-certificates", "security", "Issued certificates are signed with SHA-1", {"issued-not-sha1": ""}),
    Cause("serials-weak", "security", "Serial numbers are not both unique and random", {
        "serials-unique": "A serial number was given twice",
        "concurrent-enrolments/repeated": "Clients at the same time got the same serial number",
        "serials-unpredictable": "Serial numbers count",
        "serials-of-the-run": "Serial numbers have little chance",
        "serials-of-the-run/repeated": "A serial number was given twice in the run",
    }, remedy="draw at least 64 bits at random for each serial number"),
    Cause("replies-share-secrets", "security", "Replies are encrypted with a key or a vector of other replies", {
        "envelope-chance": "",
    }, remedy="draw content key and initialisation vector from a cryptographic source for each envelope"),
    Cause("certificates-unsigned", "security", "Issued certificates are not signed with the CA's key", {
        "issued-verifies/bad-signature": "",
    }),
    Cause("certificates-mixed-up", "security", "The certificate in a reply is not for the key that asked", {
        "issued-for-key": "The certificate is for another key",
        "concurrent-enrolments": "A client got the certificate of another that asked at the same time",
    }),
    Cause("challenge-used-twice", "security", "A challenge that was drawn for one request works twice", {
        "challenge-one-time": "",
    }),
    Cause("challenge-leaks", "security", "The challenge is given away", {
        "issued-without-challenge": "The challenge stands in the certificate",
        "failinfotext-leaks-nothing": "failInfoText says more than it should",
        "failinfotext-leaks-nothing/right-challenge": "failInfoText names the right challenge",
    }),
    Cause("challenge-locked-out", "security", "A failed attempt of somebody else uses up the challenge", {
        "challenge-survives-failure": "",
    }),
    Cause("challenge-guessable", "security", "Nothing slows down guessing a challenge", {"challenge-brute-force": ""}),
    Cause("replies-unverifiable", "security", "Replies are not signed so that a client can trust them", {
        "certrep-signature": "A CertRep's signature does not verify",
        "certrep-message-digest": "The messageDigest of a CertRep is wrong",
        "certrep-signed-attributes": "A CertRep has no signed attributes",
        "certrep-one-signer": "A CertRep has not exactly one signer",
        "attributes-signed-only": "SCEP attributes stand outside the signature",
        "certrep-signer-valid": "The signer's certificate is not valid now",
    }),
    Cause("replies-unencrypted", "security", "Certificates travel unencrypted", {
        "certrep-encrypted": "A CertRep is not encrypted",
        "ec-client/not-encrypted": "The reply to a client with an EC key is not encrypted to its password",
    }),
    Cause("nonce-wrong", "security", "The recipientNonce is not the nonce of the request", {
        "recipientnonce-copied": "",
        "nonce-of-this-request": "Two requests of one transaction got the same nonce back",
        "nonce-sizes": "A nonce of another size came back changed",
    }, clients=("every client that compares nonces",)),
    Cause("rollover-unsigned", "security", "The next CA certificate is not signed by the present CA", {
        "next-signed-by-current": "",
    }),
    Cause("crl-untrusted", "security", "The CRL is not the CA's, does not verify, or is out of date", {
        "getcrl-issuer": "The CRL is not the CA's, or does not verify", "getcrl-current": "The CRL is out of date",
        "getcrl-revoked": "The CRL does not list what was revoked",
    }),
    Cause("other-ca", "security", "The CA is not the one with the fingerprint that was given", {"ca-fingerprint": ""}),
    # --- interoperability: who stumbles ---
    Cause("enrolment-refused", "interoperability", "A right enrolment is not granted", {
        "self-signed-enrolment": "A PKCSReq signed with a self-signed certificate was not served",
        "aes-128-request": "A request enveloped with AES-128-CBC was not processed",
        "sha-256-request": "A request signed with SHA-256 was not processed",
        "post-binary": "A PKCSReq by POST was not processed",
        "rsa-4096": "A key of 4096 bits was not served",
        "concurrent-enrolments/refused": "Clients at the same time were refused",
        "concurrent-enrolments/lost": "Clients at the same time got no reply",
    }),
    Cause("capabilities-false", "interoperability", "GetCACaps advertises what does not work", {
        "caps-true-aes": "AES is advertised and does not work",
        "caps-true-des3": "DES3 is advertised and does not work",
        "caps-true-sha-1": "SHA-1 is advertised and does not work",
        "caps-true-sha-256": "SHA-256 is advertised and does not work",
        "caps-true-sha-512": "SHA-512 is advertised and does not work",
        "caps-true-postpkioperation": "POSTPKIOperation is advertised and does not work",
        "caps-true-renewal": "Renewal is advertised and does not work",
        "caps-true-getnextcacert": "GetNextCACert is advertised and does not work",
        "caps-scepstandard": "SCEPStandard is advertised, and what it stands for does not all work",
    }, remedy="advertise exactly what is served", clients=("every client: it chooses by the list",)),
    Cause("capabilities-unreadable", "interoperability", "GetCACaps is not a plain list of known keywords", {
        "caps-keywords-plain": "A line of GetCACaps is no keyword",
        "caps-keyword-case": "A keyword is spelled in another case",
        "caps-content-type": "GetCACaps is not text/plain",
        "caps-registered": "A keyword is neither registered nor has a domain's prefix",
        "caps-stable": "GetCACaps gives another list each time",
    }),
    Cause("capabilities-missing", "interoperability", "GetCACaps gives no list", {"caps-supported": ""},
          clients=("macOS and iOS do not enrol", "others fall back to 3DES and SHA-1")),
    Cause("capabilities-understated", "interoperability", "GetCACaps does not advertise what the server can do", {
        "caps-modern": "",
    }, remedy="advertise AES, SHA-256 and POSTPKIOperation, or SCEPStandard"),
    Cause("replies-in-other-algorithms", "interoperability",
          "Replies come in other algorithms than the request did", {
        "single-des-never": "A reply was enveloped with single DES",
        "aes-128-reply": "The reply to an AES request was not enveloped with AES",
        "sha-256-reply": "The reply to a SHA-256 request was not signed with SHA-2",
        "reply-algorithms-common": "A reply came in less common algorithms than AES-128-CBC and SHA-256",
        "weak-mirrored": "The reply to a 3DES and SHA-1 request came in other algorithms",
    }, remedy="answer in the algorithms of the request; in Go's pkcs7 the default cipher is single DES and the default "
        "digest SHA-1, so both have to be set for each reply",
        clients=("OpenSSL 3 without its legacy provider, and RHEL 9, at single DES",
                 "modern crypto policies, at SHA-1")),
    Cause("renewal-refused", "interoperability", "A device cannot renew with its certificate alone", {
        "renewal-without-challenge": "A RenewalReq without a challenge was refused",
    }, remedy="look at the type of the request first: a RenewalReq is authorised by its signer's certificate",
        clients=("devices that have no challenge any more",)),
    Cause("renewal-wrong", "interoperability", "A renewal is granted and does not give what the client can use", {
        "renewal-new-certificate": "A renewal gave the old certificate again, or one that is valid no longer",
        "renewal-for-new-key": "A renewal did not certify the new key",
        "renewal-ends-later": "A renewed certificate ends when the old one does",
        "renewal-reply-to-old-key": "The reply to a renewal is not enveloped to the old key",
    }),
    Cause("renewal-by-pkcsreq", "interoperability", "A PKCSReq signed with the old certificate gets no clear answer", {
        "renewal-as-pkcsreq": "",
    }, clients=("Cisco and other clients of the drafts",)),
    Cause("polls-unanswered", "interoperability", "A certificate that was issued cannot be asked for again", {
        "poll-other-connection": "A poll on another connection was not recognised",
        "poll-after-issue": "A poll about an issued certificate did not give it again",
        "nonces-not-chained@http-5xx": "A poll about an issued certificate was answered with an HTTP error",
        "nonces-not-chained@http-4xx": "A poll about an issued certificate was answered with an HTTP error",
        "nonces-not-chained@nothing": "A poll about an issued certificate was not answered",
        "poll-much-later": "A poll about a certificate that was issued a while ago did not give it again",
        "transaction-lost-reply": "After a lost reply neither a poll nor the same request helped",
    }, remedy="keep the transactionID with the certificate, and answer CertPoll and a repeated PKCSReq from it",
        clients=("devices that lose a reply: networks drop it, power fails",)),
    Cause("polls-by-name", "interoperability", "Polls are found by more than their transactionID", {
        "poll-wrong-names": "A poll was not found under other names",
        "nonces-not-chained": "A poll without the nonce of the reply before was refused",
    }),
    Cause("approval-broken", "interoperability", "Requests that wait for approval are not PENDING until decided", {
        "poll-pending": "", "poll-rejected": "A rejection is kept from the client",
        "getcert-not-pending": "GetCert was answered with PENDING",
    }),
    Cause("ca-certificate-unreadable", "interoperability", "GetCACert does not give what clients can read", {
        "getcacert-supported": "GetCACert gave no certificate that can be read",
        "getcacert-media-type": "GetCACert has another media type than its content",
        "getcacert-one-structure": "Bytes follow the certificates of GetCACert",
        "getcacert-bag-shape": "The chain of GetCACert has a content",
        "getcacert-bag-unsigned": "The chain of GetCACert is signed",
        "getcacert-stable": "GetCACert gives other certificates each time",
    }),
    Cause("ca-chain-wrong", "interoperability", "The certificates of GetCACert are not one chain up to a root", {
        "getcacert-self-contained": "The chain of GetCACert does not reach a root",
        "getcacert-issuer-included": "The certificate that issues is not among those of GetCACert",
        "getcacert-related": "GetCACert has a certificate that does not belong to the others",
    }, clients=("clients that verify the chain, or take the first certificate of it",)),
    Cause("ca-usage-wrong", "interoperability", "The CA's certificates do not allow what they are used for", {
        "signer-usage": "The certificate that signs CertReps lacks digitalSignature",
        "recipient-usage": "The certificate that requests are enveloped to lacks keyEncipherment",
        "issuer-usage": "The issuing certificate is no CA's",
        "ca-rfc5280": "A certificate of GetCACert is not as RFC 5280 has it",
    }, remedy="give the certificate digitalSignature and keyEncipherment, or use an RA certificate that has them",
        clients=("cryptlib and others that look at keyUsage",)),
    Cause("ca-expired", "interoperability", "A certificate of GetCACert is not valid now", {"ca-valid-now": ""}),
    Cause("only-one-ra-reads", "interoperability", "Only one of the certificates of GetCACert can be written to", {
        "accepts-each-certificate": "",
    }),
    Cause("ber-refused", "interoperability", "Messages in BER are not read", {
        "accepts-ber": "", "accepts-constructed-ciphertext": "A constructed encryptedContent was not read",
    }, clients=("jscep writes BER", "micromdm's client writes a constructed encryptedContent")),
    Cause("messages-refused", "interoperability", "Right messages are refused for a form that clients do use", {
        "self-signed-bare": "A self-signed certificate without extensions was refused",
        "self-signed-other-subject": "A self-signed certificate with another subject than the CSR was refused",
        "signer-by-key-identifier": "A signer that is named by its key identifier was not found",
        "signer-by-sid": "The signer was not found by what the SignerInfo names",
        "self-signed-clock-skew": "A self-signed certificate of a clock that is off got no clear answer",
        "accepts-combined-signature-name": "sha256WithRSAEncryption was not read",
        "accepts-digest-without-parameters": "A digestAlgorithm without parameters was not read",
        "accepts-extra-attributes": "Additional attributes were not read over",
        "accepts-superfluous-attributes": "Superfluous attributes were not read over",
        "accepts-envelope-version-1": "An envelope of version 1 was not read",
        "accepts-several-recipients": "An envelope to several recipients was not read",
        "transactionid-not-a-hash": "A transactionID that is no hash of the key was refused",
        "transactionid-forms": "A transactionID did not come back as it went",
        "signing-time-absent": "A request without signingTime was refused",
        "signing-time-skew": "A signingTime that is off got no clear answer",
        "signing-time-far": "A signingTime that is far off got no clear answer",
        "challenge-string-types": "The challenge was not read in every string type",
        "challenge-after-extensions": "The challenge was not found beside other attributes",
        "unknown-extension": "An extension that nobody knows got no clear answer",
        "odd-subjects": "An unusual name got no clear answer",
        "bag-of-attributes-empty": "A CSR without attributes got no clear answer",
        "oaep-request": "Key transport by OAEP got no clear answer",
        "gcm-request": "An unknown kind of envelope got no clear answer",
        "ec-client": "A client with an EC key got no clear answer",
    }),
    Cause("names-wrong", "interoperability", "Issued certificates do not have the names that were asked for", {
        "issued-for-subject": "The certificate has another subject",
        "issued-for-subject/encoded-anew": "The certificate has the subject in another encoding",
        "san-honoured": "The subject alternative names were dropped",
        "issued-adds-nothing/names-added": "The certificate has names that were not asked for",
        "sid-uri": "The URI that names an account was dropped",
    }, clients=("browsers, for want of a subject alternative name",)),
    Cause("not-for-servers", "interoperability", "Issued certificates are not for the use that a printer has", {
        "issued-for-servers": "The extended key usage leaves TLS servers out",
        "usages-honoured": "The certificate may not be used as its CSR asks",
    }, remedy="add serverAuth to extKeyUsage, or leave the extension out",
        clients=("browsers and printer drivers that speak to the printer",)),
    Cause("certificate-unusable", "interoperability", "Issued certificates cannot be used", {
        "issued-verifies": "The issuer of the certificate is not known",
        "issued-valid-now": "The certificate is not valid now",
        "issued-rfc5280": "The certificate is not as RFC 5280 has it",
    }),
    Cause("certificate-missing", "interoperability",
          "A SUCCESS does not hold the certificate, and nothing else, where clients look", {
        "issued-present": "A SUCCESS holds no certificate for the key",
        "renewed-present": "A SUCCESS to a renewal holds no certificate for the key",
        "polled-present": "A SUCCESS to a poll holds no certificate for the key",
        "issued-is-leaf": "A SUCCESS holds more than one certificate that is no CA's",
        "payload-is-bag": "The payload is no certificates-only SignedData",
        "payload-no-content": "The payload has a content",
        "payload-no-signers": "The payload is signed",
        "payload-members": "The payload has other members than certificates and CRLs",
        "payload-no-trailing": "Bytes follow the payload",
        "issued-chain-relevant": "A reply has a certificate that does not belong to the issued one's chain",
        "issued-without-crl": "A CRL comes with the certificate",
    }),
    Cause("envelope-unreadable", "interoperability", "Replies are enveloped so that clients may not open them", {
        "envelope-opens": "A reply does not open with the client's key",
        "envelope-to-signer": "A reply is enveloped to another certificate than the signer's",
        "envelope-shape": "The envelope has an unusual shape",
        "envelope-content-type": "The envelope's content type is not id-data",
        "certrep-key-transport": "The key transport of a reply is not rsaEncryption",
    }),
    Cause("replies-malformed", "interoperability", "CertReps are not built as the RFC has them", {
        "certrep-is-pkimessage": "What came is no pkiMessage",
        "certrep-two-layers": "The outer layer is not SignedData",
        "certrep-econtent-type": "The eContentType is not id-data",
        "certrep-content-is-envelope": "The content of a CertRep is no EnvelopedData",
        "failure-no-envelope": "A FAILURE has an envelope",
        "pending-no-envelope": "A PENDING has an envelope",
        "certrep-no-trailing": "Bytes follow a CertRep",
        "certrep-signer-included": "The signer's certificate is not included",
        "certrep-signer-form": "The SignerInfo does not name issuer and serial number",
        "certrep-digest-listed": "The digest of the signer is not listed",
        "certrep-signature-algorithm": "The signature algorithm has an unusual name",
        "certrep-attributes-sorted": "The signed attributes are not sorted as DER has it",
    }),
    Cause("attributes-wrong", "interoperability", "Attributes of CertReps are missing, or not as the RFC has them", {
        "certrep-transactionid-present": "A CertRep has no transactionID",
        "certrep-messagetype-present": "A CertRep has no messageType",
        "certrep-sendernonce-present": "A CertRep has no senderNonce",
        "certrep-pkistatus-present": "A CertRep has no pkiStatus",
        "certrep-recipientnonce-present": "A CertRep has no recipientNonce",
        "certrep-cms-attributes": "A CertRep has no contentType or no messageDigest",
        "type-of-transactionid": "transactionID has another string type",
        "type-of-messagetype": "messageType has another string type",
        "type-of-pkistatus": "pkiStatus has another string type",
        "type-of-failinfo": "failInfo has another string type",
        "type-of-failinfotext": "failInfoText has another string type",
        "type-of-sendernonce": "senderNonce has another type",
        "type-of-recipientnonce": "recipientNonce has another type",
        "numbers-canonical": "A number is not written in its shortest form",
        "attributes-single": "An attribute comes twice, or with two values",
        "transactionid-returned": "The transactionID is not that of the request",
        "certrep-type": "A CertRep does not say that it is one",
        "pkistatus-defined": "The pkiStatus is not defined",
        "failinfo-defined": "The failInfo is not defined",
        "failinfo-with-failure-only": "failInfo comes without a FAILURE",
    }),
    Cause("unusual-cms", "interoperability", "Replies have parts that strict clients do not expect", {
        "certrep-without-data": "A reply without data has an empty content instead of none",
        "payload-empty-sets": "Unused fields are empty instead of absent",
        "envelope-one-recipient": "A reply is enveloped to more than one recipient",
        "envelope-primitive": "The encryptedContent is constructed",
    }, clients=("embedded clients with a small CMS reader",)),
    Cause("http-forms-refused", "interoperability", "Ordinary forms of HTTP are not served", {
        "caps-message-parameter": "A message parameter on GetCACaps or GetCACert is not tolerated",
        "post-content-types": "A POST was not read because of its Content-Type",
        "get-pkioperation": "PKIOperation by GET was not served",
        "get-standard-base64": "Standard base64, escaped, was not read",
        "get-long": "A long GET was not read",
        "http-chunked": "A chunked body was not read",
        "http-expect-continue": "Expect: 100-continue was not answered",
        "http-keep-alive": "A connection served one operation only",
        "http-1.0": "HTTP/1.0 without Host was not served",
        "questions-by-post": "A question by POST got no clear answer",
        "post-without-operation": "A POST without operation got no clear answer",
    }),
    Cause("http-replies-wrong", "interoperability", "Replies have another status, media type or coding", {
        "failures-are-certreps": "A refusal was no CertRep FAILURE under HTTP 200",
        "certrep-http-status-200": "A CertRep came under another status than 200",
        "replies-binary": "Replies are in base64",
        "certrep-media-type": "A CertRep is not application/x-pki-message",
        "replies-plainly-framed": "A reply was compressed that nobody asked for",
        "get-not-cached": "A reply to GET may be cached",
        "unknown-operation": "An unknown operation was not refused",
    }, clients=("certmonger refuses another media type", "most clients read no further than an HTTP error")),
    Cause("media-type-parameters", "interoperability", "The media type of replies has parameters", {
        "certrep-media-type/parameters": "",
    }, remedy="set Content-Type without a charset", clients=("certmonger and others that compare the whole field",)),
    Cause("names-used-once", "interoperability", "A device cannot enrol again under its name", {
        "duplicate-subject": "",
    }, clients=("devices that were reset",)),
    Cause("rollover-wrong", "interoperability", "GetNextCACert does not give a CA that follows the present one", {
        "next-not-available": "GetNextCACert was answered although there is none",
        "next-media-type": "GetNextCACert has another media type",
        "next-nested": "The new certificates are not inside the signature",
        "next-no-scep-attributes": "GetNextCACert carries SCEP attributes",
        "next-plausible": "The next CA cannot follow the present one",
    }),
    Cause("queries-wrong", "interoperability", "GetCert or GetCRL does not give what was asked for", {
        "getcert-certificate": "GetCert gave another certificate",
        "getcert-much-later": "GetCert did not give a certificate that was issued a while ago",
        "getcert-unknown": "GetCert gave something for a serial number that was never issued",
        "getcert-clean": "GetCert got no clear answer",
        "getcrl-clean": "GetCRL got no clear answer",
        "getcrl-current/no-next-update": "The CRL does not say when the next one comes",
        "getcrl-in-crls": "GetCRL gave no CRL where readers look",
        "getcrl-only-crl": "GetCRL gave certificates too",
    }),
    # --- robustness ---
    Cause("malformed-granted", "robustness",
          "Requests are accepted that are ambiguous, undefined or not what they say", {
        "refuses-two-signers": "A request with two SignerInfos was accepted",
        "refuses-double-attributes": "A request with an attribute twice was accepted",
        "refuses-no-cms-attributes/granted-untyped": "A request without contentType was accepted",
        "refuses-no-transactionid": "A request without transactionID was accepted",
        "refuses-no-messagetype": "A request without messageType was accepted",
        "refuses-no-nonce": "A request without senderNonce was accepted",
        "refuses-swapped-layers": "A request with its layers the other way round was accepted",
        "refuses-garbage-content": "Random bytes were accepted",
        "refuses-other-content": "A request whose content is not what it says was accepted",
        "refuses-unknown-types": "A messageType that is not defined was accepted",
        "refuses-update-req": "messageType 18, which is not defined, was accepted",
        "refuses-certrep": "A CertRep was taken for a request",
        "refuses-undecryptable": "A request that cannot be decrypted was accepted",
        "renewal-not-advertised": "A RenewalReq was accepted that is not offered",
        "poll-unknown": "A poll about nothing was accepted",
    }, remedy="refuse what is not exactly one message of a defined type"),
    Cause("malformed-taken", "robustness", "Bytes that are no message are taken for one", {
        "malformed-empty": "An empty body was taken",
        "malformed-one-octet": "One byte was taken",
        "malformed-text": "HTML was taken",
        "malformed-truncated": "Half a message was taken",
        "malformed-length": "A message with a length beyond its end was taken",
        "malformed-deep": "BER that is nested without end was taken",
        "malformed-large": "Zeros were taken",
        "malformed-other-der": "DER that is no CMS was taken",
        "malformed-trailing": "Bytes after a message got no clear answer",
    }),
    Cause("requests-not-remembered", "robustness", "The same request again makes another certificate", {
        "replay-same-octets": "The same bytes made a second certificate",
        "replay-new-nonce": "The same request with a new nonce made a second certificate",
        "transaction-other-csr": "A transactionID was used again for another CSR",
        "poll-after-issue/another": "A poll about an issued certificate made another one",
    }, remedy="look the transactionID up before issuing, and answer with what was issued",
        clients=("certmonger and printers, which poll by sending the request again",)),
    # --- hygiene ---
    Cause("sender-nonce-echoed", "hygiene", "CertReps have no fresh senderNonce of the server's own", {
        "sendernonce-fresh": "",
        "sendernonce-fresh/not-16-octets": "The senderNonce has not 16 bytes",
    }, remedy="draw 16 random bytes for each reply"),
    Cause("issued-in-clear", "hygiene", "The issued certificate also stands outside the envelope", {
        "issued-not-in-clear": "",
    }),
    # --- policy: how somebody set the server up ---
    Cause("ca-signs-replies", "policy", "The issuing CA signs CertReps itself, without an RA", {"ra-separate": ""}),
    Cause("path-matters", "policy", "The server is found at its own path only", {"path-ignored": ""}),
    Cause("no-crl-pointer", "policy", "Issued certificates point to no CRL and no OCSP responder", {
        "issued-points-to-crl": "",
    }),
    Cause("get-encodings-strict", "policy", "GET is read in the RFC's encoding only", {"get-encodings": ""},
          clients=("Cisco and sscep wrap lines", "MikroTik does not escape")),
    Cause("renewal-open", "policy", "Renewal is open to everybody, as enrolment without a challenge is", {
        "renewal-self-signed/granted-as-to-all": "", "renewal-by-stranger/granted-as-to-all": "",
        "renewal-expired/granted-as-to-all": "", "renewal-revoked/granted-as-to-all": "",
        "renewal-other-name/granted-as-to-all": "",
        "renewal-adds-names/granted-as-to-all": "",
    }),
    Cause("challenge-static", "policy", "The challenge is one for all requests", {"challenge-one-time/static": ""},
          remedy="hand out one-time challenges"),
)  # fmt: skip
"""What is wrong in one check or a few, by class; within it from what matters most."""


@cache
def _places() -> Mapping[str, tuple[Cause, str]]:
    """Each place, with its cause and what went wrong there."""
    return {
        place: (cause, words or cause.title) for cause in (*ANYWHERE, *CAUSES) for place, words in cause.places.items()
    }


def _candidates(check: Check, fact: Fact) -> Iterator[str]:
    yield f"{check.id}/{fact.slug}@{fact.came}"
    yield f"{check.id}@{fact.came}"
    yield f"{check.id}/{fact.slug}"
    yield check.id


def _cause(check: Check, fact: Fact) -> tuple[Cause, str]:
    for cause in ANYWHERE:
        if cause.is_anywhere(fact):
            return cause, ""
    return next(_places()[place] for place in _candidates(check, fact) if place in _places())


def _telling(result: CheckResult) -> Fact:
    """The deviation that decides: of the worst class, the first."""
    return min(result.deviations, key=lambda fact: KINDS.index(_cause(result.check, fact)[0].kind))


def cause_of(result: CheckResult) -> Cause:
    """The one cause of a result that has deviations: that of the worst class, if its facts have several."""
    return _cause(result.check, _telling(result))[0]


def title_of(result: CheckResult) -> str:
    """What went wrong in a check that has deviations."""
    fact = _telling(result)
    cause, words = _cause(result.check, fact)
    if words:
        return words
    told = cause.told.format(what=fact.what or result.check.title, got=fact.got)
    return told[:1].upper() + told[1:]
