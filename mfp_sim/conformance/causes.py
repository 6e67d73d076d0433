"""What went wrong, by cause: one table, in which every deviation has exactly one entry.

A cause is found by the check, the fact's slug, and the kind of reply, never by the words of a message. The rows of
`ANYWHERE` describe the reply to any request and come first; those of `CAUSES` name their places: ``check``,
``check/slug`` or ``check/slug@came``. A row has a remedy only if one is known. Owns no verdict: the weight of a
deviation follows from its requirement (`mfp_sim.conformance.model`).
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

    ``title`` says what went wrong; ``places`` are the checks that show it, each with what went wrong there (empty: the
    title). ``clients`` are those that fail because of it. ``grave``: a client gets what it must not have, or anyone can
    stop the service, in the words of a verdict. ``slugs``, ``came`` (empty: any) and `told`, which says what went
    wrong in one check, are for `ANYWHERE`.
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
    told: str = "The reply to {what} was {got}"

    def is_anywhere(self, fact: Fact) -> bool:
        """Whether the fact has this cause, by its slug and the kind of reply; the check does not matter."""
        return fact.slug in self.slugs and (not self.came or fact.came in self.came)


_STRANGER = "Issues certificates to strangers"
_DOWN = "A single request stops the server"
_ERRORS = (
    "refused-without-certrep", "not-a-certrep", "no-certrep", "crash", "not-a-client-error", "not-refused", "answered",
)  # fmt: skip
"""Slugs of the facts about the form of an error."""

ANYWHERE: tuple[Cause, ...] = (
    Cause("goes-down", "security", "A request stops the server", slugs=HURT[:1], grave=_DOWN,
          told='After "{what}" the server no longer replied'),
    Cause("away-for-a-moment", "robustness", "After a request the server does not reply for a moment", slugs=HURT[1:],
          told='After "{what}" the server did not reply at once'),
    Cause(
        "closes-connection", "robustness", "The server closes the connection instead of sending a reply",
        slugs=("connection-lost", *_ERRORS), came=("nothing",), told="The server never replied to {what}",
        remedy="look in the server's log for the process that ends with the request; a reverse proxy may also drop it",
    ),
    Cause(
        "errors-are-http-5xx", "robustness",
        "Errors get HTTP 5xx instead of a signed CertRep or HTTP 4xx",
        slugs=_ERRORS, came=("http-5xx",),
        remedy="send a signed CertRep FAILURE with a failInfo and HTTP 200 to a readable request that is refused, and "
        "HTTP 400 to an unreadable one",
        clients=("every client: it sees a transport error and retries",),
    ),
    Cause(
        "errors-are-http-4xx", "robustness", "Refusals get HTTP 4xx instead of a signed CertRep",
        slugs=_ERRORS, came=("http-4xx",),
        remedy="send a signed CertRep FAILURE with a failInfo and HTTP 200",
        clients=("every client: it sees a transport error and retries",),
    ),
    Cause(
        "errors-are-pages", "interoperability", "Errors get neither a CertRep nor an HTTP error",
        slugs=_ERRORS[:-1], came=("other",),
    ),
    Cause(  # of a run by a version that did not record the kind of reply
        "errors-untold", "robustness", "Errors get something other than a signed CertRep",
        slugs=_ERRORS, came=(None,),
    ),
    Cause(
        "failures-unsigned", "security", "A FAILURE is not signed by the server: anyone can forge a refusal",
        slugs=("refusal-not-signed",), told="The FAILURE for {what} is not signed by the server",
    ),
    Cause(
        "failinfo-unfit", "hygiene", "The failInfo of a refusal is missing or does not match the error",
        {"certrep-failinfo-present": "A FAILURE has no failInfo"},
        slugs=("refused-for-another-reason", "another-reason"), told="{what} was refused for another reason: {got}",
    ),
)  # fmt: skip
"""About the reply to any request. The first match is the cause."""

CAUSES: tuple[Cause, ...] = (
    # --- security: which client gets what ---
    Cause("certificates-for-strangers", "security", "Certificates are issued without the right challenge password", {
        "challenge-missing": "A request without a challenge password was accepted",
        "challenge-wrong": "A wrong challenge password was accepted",
        "challenge-empty": "An empty challenge password was accepted",
        "challenge-foreign-signer": "A certificate from another CA replaced the challenge password",
    }, grave=_STRANGER),
    Cause("challenge-picked", "security", "One right challenge password among several was accepted", {
        "challenge-twice": "",
    }),
    Cause("challenge-compared-loosely", "security", "The challenge password is not compared exactly", {
        "challenge-exact": "A challenge password that is not exactly right was accepted",
        "challenge-exact/granted-in-another-case": "A challenge password in another case was accepted",
        "challenge-exact/granted-with-blanks": "A challenge password with spaces around it was accepted",
    }, remedy="compare the unchanged bytes of the challenge password"),
    Cause("renews-for-strangers", "security", "Anyone can renew: the signer of a RenewalReq is not verified", {
        "renewal-self-signed": "A RenewalReq signed by a self-signed certificate was granted",
        "renewal-self-signed/granted-by-enclosed": "A certificate that was merely enclosed in the request was renewed",
        "renewal-by-stranger": "A RenewalReq signed by a certificate of another CA was granted",
        "renewal-self-signed/granted-with-wrong-challenge":
            "A self-signed certificate renewed with a wrong challenge password",
        "renewal-by-stranger/granted-with-wrong-challenge":
            "A certificate of another CA renewed with a wrong challenge password",
        "renewal-expired": "A RenewalReq signed by an expired certificate was granted",
        "renewal-revoked": "A RenewalReq signed by a revoked certificate was granted",
    }, remedy="verify that the signer's certificate was issued by this CA and is valid", grave=_STRANGER),
    Cause("renewal-unverified", "security", "A renewal with the right challenge password is granted for every signer", {
        f"{name}/granted-with-challenge": words for name, words in (
            ("renewal-self-signed", "A self-signed certificate renewed with the right challenge password"),
            ("renewal-by-stranger", "A certificate of another CA renewed with the right challenge password"),
            ("renewal-expired", "An expired certificate renewed with the right challenge password"),
            ("renewal-revoked", "A revoked certificate renewed with the right challenge password"),
        )
    }, remedy="verify the signer of every RenewalReq, even with a right challenge password"),
    Cause("renews-other-names", "security", "A renewal is granted for another subject", {
        "renewal-other-name": "",
    }, remedy="compare the CSR's subject with that of the signer's certificate",
        grave="Issues one device a certificate in another's name"),
    Cause("renewal-adds-names", "security", "A renewal adds subject alternative names", {
        "renewal-adds-names": "",
    }, remedy="compare the CSR's subject alternative names with those of the signer's certificate"),
    Cause("transaction-is-password", "security", "Anyone who knows a transactionID gets its certificate", {
        "poll-by-another-key": "",
    }, remedy="compare the key that signed the poll with the key that signed the request"),
    Cause("unapproved-issued", "security", "A request that waits for approval is granted without approval", {
        "poll-pending/issued-unapproved": "A poll counted as approval",
        "poll-pending/issued-on-repetition": "A repeated request counted as approval",
        "poll-rejected/issued-though-rejected": "A request that the operator had rejected was granted",
    }, remedy="issue the certificate when the operator has approved it, not when the client asks again"),
    Cause("ca-certificates-issued", "security", "A device that requests a CA certificate gets one", {
        "ca-true-not-copied": "",
    }, remedy="set basicConstraints and keyUsage from the CA's profile, not from the request",
        grave="Issues a CA certificate to a device that requests one"),
    Cause("powers-granted", "security", "A CSR that requests powers which only the CA may give gets them", {
        "powers-not-copied": "",
        "issued-adds-nothing": "Issued certificates have rights that the CSR did not request",
    }, remedy="copy from a CSR only names, and the usages and purposes that the profile allows"),
    Cause("signature-unverified", "security", "Requests without a protecting signature are accepted", {
        "refuses-bad-signature": "A request with a signature that does not verify was accepted",
        "refuses-wrong-digest": "A request with a wrong messageDigest was accepted",
        "refuses-changed-content": "A request with a changed ciphertext was accepted",
        "refuses-no-signed-attributes": "A request without signed attributes was accepted",
        "refuses-unsigned-attributes": "A request with unsigned SCEP attributes was accepted",
        "refuses-stripped-attributes": "A request with its signed attributes in the content was accepted",
        "refuses-no-signer": "A request without a signature was accepted",
        "refuses-no-cms-attributes": "A request without messageDigest was accepted",
        "signer-missing": "A request without its signer's certificate was accepted",
    }, remedy="verify the CMS signature and messageDigest before reading anything else"),
    Cause("key-unproved", "security", "Certificates are issued for keys that the client has not proved to have", {
        "refuses-csr-forged": "A CSR with a signature that does not verify was accepted",
        "renewal-csr-forged": "A RenewalReq with a CSR that its own key did not sign was accepted",
    }, remedy="verify the CSR's own signature, also in renewals"),
    Cause("unencrypted-accepted", "security", "Unencrypted requests are accepted", {
        "refuses-unencrypted": "An unencrypted request was accepted",
    }),
    Cause("weak-accepted", "security", "Broken algorithms or short keys are accepted", {
        "single-des-refused": "Single DES was accepted",
        "md5-refused": "An MD5 signature was accepted",
        "weak-only-if-advertised": "3DES with SHA-1 was accepted although it is not advertised",
        "weak-keys-refused": "A certificate was issued for an RSA key of 1024 bits",
    }, remedy="compare the cipher and the digest of a request with those that GetCACaps advertises, and require keys "
        "of 2048 bits"),
    Cause("ca-key-short", "security", "A certificate of GetCACert has a short key", {"ca-key-length": ""}),
    Cause("md5-replies", "security", "Replies are signed with MD5", {"md5-never": ""}),
    Cause("sha1-certificates", "security", "Issued certificates are signed with SHA-1", {"issued-not-sha1": ""}),
    Cause("serials-weak", "security", "Serial numbers are not both unique and random", {
        "serials-unique": "A serial number was issued twice",
        "concurrent-enrolments/repeated": "Clients that enrolled at the same time got the same serial number",
        "serials-unpredictable": "Serial numbers are sequential",
        "serials-of-the-run": "Serial numbers have too few random bits",
        "serials-of-the-run/repeated": "A serial number was issued twice in the run",
    }, remedy="draw at least 64 bits at random for each serial number"),
    Cause("replies-share-secrets", "security", "Replies reuse the content key or initialisation vector of others", {
        "envelope-chance": "",
    }, remedy="generate a new content key and initialisation vector at random for each envelope"),
    Cause("certificates-unsigned", "security", "Issued certificates are not signed with the CA's key", {
        "issued-verifies/bad-signature": "",
    }),
    Cause("certificates-mixed-up", "security", "The certificate in a reply is not for the key of the request", {
        "issued-for-key": "The certificate is for another key",
        "concurrent-enrolments": "A client got the certificate of another that enrolled at the same time",
    }),
    Cause("challenge-used-twice", "security", "A one-time challenge password works twice", {
        "challenge-one-time": "",
    }),
    Cause("challenge-leaks", "security", "The server reveals the challenge password", {
        "issued-without-challenge": "The certificate contains the challenge password",
        "failinfotext-leaks-nothing": "failInfoText reveals secrets or internals",
        "failinfotext-leaks-nothing/right-challenge": "failInfoText contains the right challenge password",
    }),
    Cause("challenge-locked-out", "security", "A failed attempt by another client uses up the challenge password", {
        "challenge-survives-failure": "",
    }),
    Cause("challenge-guessable", "security", "Guesses of the challenge password are not limited", {
        "challenge-brute-force": "",
    }),
    Cause("replies-unverifiable", "security", "Clients cannot trust the signature of replies", {
        "certrep-signature": "A CertRep's signature does not verify",
        "certrep-message-digest": "The messageDigest of a CertRep is wrong",
        "certrep-signed-attributes": "A CertRep has no signed attributes",
        "certrep-one-signer": "A CertRep does not have exactly one signer",
        "attributes-signed-only": "SCEP attributes are outside the signature",
        "certrep-signer-valid": "The signer's certificate is not valid now",
    }),
    Cause("replies-unencrypted", "security", "Certificates are sent unencrypted", {
        "certrep-encrypted": "A CertRep is not encrypted",
        "ec-client/not-encrypted": "The reply to a client with an EC key is not encrypted with its challenge password",
    }),
    Cause("nonce-wrong", "security", "The recipientNonce is not the nonce of the request", {
        "recipientnonce-copied": "",
        "nonce-of-this-request": "Two requests of one transaction got the same nonce back",
        "nonce-sizes": "A nonce of another size came back changed",
    }, clients=("every client that compares nonces",)),
    Cause("rollover-unsigned", "security", "The reply to GetNextCACert is not signed by the current CA", {
        "next-signed-by-current": "",
    }),
    Cause("crl-untrusted", "security", "The CRL is not the CA's, does not verify, or is out of date", {
        "getcrl-issuer": "The CRL is not the CA's, or does not verify", "getcrl-current": "The CRL is out of date",
        "getcrl-revoked": "The CRL does not list a revoked certificate",
    }),
    Cause("other-ca", "security", "The CA certificate does not have the given fingerprint", {"ca-fingerprint": ""}),
    # --- interoperability: which clients fail ---
    Cause("enrolment-refused", "interoperability", "A right enrolment is not granted", {
        "self-signed-enrolment": "A PKCSReq signed with a self-signed certificate was not granted",
        "aes-128-request": "A request enveloped with AES-128-CBC was not processed",
        "sha-256-request": "A request signed with SHA-256 was not processed",
        "post-binary": "A PKCSReq by POST was not processed",
        "rsa-4096": "A request for a 4096-bit key was not processed",
        "concurrent-enrolments/refused": "Clients that enrolled at the same time were refused",
        "concurrent-enrolments/lost": "Clients that enrolled at the same time got no reply",
    }),
    Cause("capabilities-false", "interoperability", "GetCACaps advertises what does not work", {
        "caps-true-aes": "AES is advertised but does not work",
        "caps-true-des3": "DES3 is advertised but does not work",
        "caps-true-sha-1": "SHA-1 is advertised but does not work",
        "caps-true-sha-256": "SHA-256 is advertised but does not work",
        "caps-true-sha-512": "SHA-512 is advertised but does not work",
        "caps-true-postpkioperation": "POSTPKIOperation is advertised but does not work",
        "caps-true-renewal": "Renewal is advertised but does not work",
        "caps-true-getnextcacert": "GetNextCACert is advertised but does not work",
        "caps-scepstandard": "SCEPStandard is advertised, but not all that it requires works",
    }, remedy="advertise exactly what the server supports", clients=("every client: it chooses from the list",)),
    Cause("capabilities-unreadable", "interoperability", "GetCACaps is not a plain list of known keywords", {
        "caps-keywords-plain": "A line of GetCACaps is not a keyword",
        "caps-keyword-case": "A keyword is spelled in another case",
        "caps-content-type": "GetCACaps is not text/plain",
        "caps-registered": "A keyword is not registered and has no domain prefix",
        "caps-stable": "GetCACaps returns different lists",
    }),
    Cause("capabilities-missing", "interoperability", "GetCACaps returns no list", {"caps-supported": ""},
          clients=("macOS and iOS do not enrol", "others fall back to 3DES and SHA-1")),
    Cause("capabilities-understated", "interoperability", "GetCACaps does not advertise what the server supports", {
        "caps-modern": "",
    }, remedy="advertise AES, SHA-256 and POSTPKIOperation, or SCEPStandard"),
    Cause("replies-in-other-algorithms", "interoperability",
          "Replies use other algorithms than the request", {
        "single-des-never": "A reply was enveloped with single DES",
        "aes-128-reply": "The reply to an AES request was not enveloped with AES",
        "sha-256-reply": "The reply to a SHA-256 request was not signed with SHA-2",
        "reply-algorithms-common": "A reply used less common algorithms than AES-128-CBC and SHA-256",
        "weak-mirrored": "The reply to a request in 3DES and SHA-1 used other algorithms",
    }, remedy="use the algorithms of the request; in Go's pkcs7 the default cipher is single DES and the default "
        "digest SHA-1, so set both for each reply",
        clients=("OpenSSL 3 without its legacy provider, and RHEL 9, because of single DES",
                 "modern crypto policies, because of SHA-1")),
    Cause("renewal-refused", "interoperability", "A device cannot renew with its certificate alone", {
        "renewal-without-challenge": "A RenewalReq without a challenge password was refused",
    }, remedy="check the messageType first: the signer's certificate authorises a RenewalReq",
        clients=("devices that no longer have a challenge password",)),
    Cause("renewal-wrong", "interoperability", "A granted renewal returns a certificate that the client cannot use", {
        "renewal-new-certificate": "A renewal returned the old certificate, or one that expires no later",
        "renewal-for-new-key": "A renewal did not certify the new key",
        "renewal-ends-later": "A renewed certificate expires no later than the old one",
        "renewal-reply-to-old-key": "The reply to a renewal is not encrypted to the old key",
    }),
    Cause("renewal-by-pkcsreq", "interoperability", "A PKCSReq signed with the old certificate gets no clear answer", {
        "renewal-as-pkcsreq": "",
    }, clients=("Cisco and other clients that follow the drafts",)),
    Cause("polls-unanswered", "interoperability", "An issued certificate cannot be requested again", {
        "poll-other-connection": "A poll on another connection was not recognised",
        "poll-after-issue": "A poll for an issued certificate did not return it",
        "nonces-not-chained@http-5xx": "A poll for an issued certificate got an HTTP error",
        "nonces-not-chained@http-4xx": "A poll for an issued certificate got an HTTP error",
        "nonces-not-chained@nothing": "A poll for an issued certificate got no reply",
        "poll-much-later": "A poll for a certificate that was issued some time ago did not return it",
        "transaction-lost-reply": "After a lost reply, neither a poll nor the same request returned the certificate",
    }, remedy="store the transactionID with the certificate, and use it to answer CertPoll and a repeated PKCSReq",
        clients=("devices that lose a reply, because of the network or a power failure",)),
    Cause("polls-by-name", "interoperability", "Polls are not matched by their transactionID alone", {
        "poll-wrong-names": "A poll with other names was not matched",
        "nonces-not-chained": "A poll without the nonce of the previous reply was refused",
    }),
    Cause("approval-broken", "interoperability", "Requests that wait for approval do not get PENDING", {
        "poll-pending": "", "poll-rejected": "The client does not learn of a rejection",
        "getcert-not-pending": "GetCert got PENDING",
    }),
    Cause("ca-certificate-unreadable", "interoperability", "Clients cannot read the reply to GetCACert", {
        "getcacert-supported": "GetCACert returned no readable certificate",
        "getcacert-media-type": "The media type of GetCACert does not match its content",
        "getcacert-one-structure": "Bytes follow the certificates of GetCACert",
        "getcacert-bag-shape": "The chain of GetCACert has content",
        "getcacert-bag-unsigned": "The chain of GetCACert is signed",
        "getcacert-stable": "GetCACert returns different certificates",
    }),
    Cause("ca-chain-wrong", "interoperability", "The certificates of GetCACert are not one chain up to a root", {
        "getcacert-self-contained": "The chain of GetCACert does not reach a root",
        "getcacert-issuer-included": "GetCACert does not include the issuing CA's certificate",
        "getcacert-related": "GetCACert has a certificate that is not related to the others",
    }, clients=("clients that verify the chain or use its first certificate",)),
    Cause("ca-usage-wrong", "interoperability", "The CA's certificates do not allow their actual use", {
        "signer-usage": "The certificate that signs CertReps lacks digitalSignature",
        "recipient-usage": "The certificate that clients encrypt requests to lacks keyEncipherment",
        "issuer-usage": "The issuing certificate is not a CA certificate",
        "ca-rfc5280": "A certificate of GetCACert does not conform to RFC 5280",
    }, remedy="issue the certificate with digitalSignature and keyEncipherment, or use an RA certificate that has them",
        clients=("cryptlib and other clients that check keyUsage",)),
    Cause("ca-expired", "interoperability", "A certificate of GetCACert is not valid now", {"ca-valid-now": ""}),
    Cause("only-one-ra-reads", "interoperability", "Only one of the certificates of GetCACert works for encryption", {
        "accepts-each-certificate": "",
    }),
    Cause("ber-refused", "interoperability", "Messages in BER are not read", {
        "accepts-ber": "", "accepts-constructed-ciphertext": "A constructed encryptedContent was not read",
    }, clients=("jscep writes BER", "micromdm's client writes a constructed encryptedContent")),
    Cause("messages-refused", "interoperability", "Right requests are refused for a form that real clients use", {
        "self-signed-bare": "A self-signed certificate without extensions was refused",
        "self-signed-other-subject": "A self-signed certificate with another subject than the CSR was refused",
        "signer-by-key-identifier": "A signer that is identified by its key identifier was not found",
        "signer-by-sid": "The signer was not found by the SignerInfo's identifier",
        "self-signed-clock-skew": "A request whose signer certificate has wrong dates got no CertRep",
        "accepts-combined-signature-name": "signatureAlgorithm sha256WithRSAEncryption was not accepted",
        "accepts-digest-without-parameters": "A digestAlgorithm without parameters was not accepted",
        "accepts-extra-attributes": "Additional attributes were not ignored",
        "accepts-superfluous-attributes": "Superfluous attributes were not ignored",
        "accepts-envelope-version-1": "An envelope of version 1 was not accepted",
        "accepts-several-recipients": "An envelope to several recipients was not accepted",
        "transactionid-not-a-hash": "A transactionID that is not a hash of the key was refused",
        "transactionid-forms": "A transactionID came back changed",
        "signing-time-absent": "A request without signingTime was refused",
        "signing-time-skew": "A request with a wrong signingTime got neither a grant nor badTime",
        "signing-time-far": "A request with a signingTime of another century got no CertRep",
        "challenge-string-types": "The challenge password was not accepted in every string type",
        "challenge-after-extensions": "The challenge password was not found next to other attributes",
        "unknown-extension": "A request for an unknown extension got no CertRep",
        "odd-subjects": "A request with an unusual subject got no CertRep",
        "bag-of-attributes-empty": "A CSR without attributes got no CertRep",
        "oaep-request": "Key transport by OAEP was not processed and not refused as badAlg",
        "gcm-request": "An unknown kind of envelope was not refused cleanly",
        "ec-client": "A client with an EC key got no CertRep",
    }),
    Cause("names-wrong", "interoperability", "Issued certificates do not have the requested names", {
        "issued-for-subject": "The certificate has another subject",
        "issued-for-subject/encoded-anew": "The certificate has the requested subject in another encoding",
        "san-honoured": "The subject alternative names were dropped",
        "issued-adds-nothing/names-added": "The certificate has names that the CSR did not request",
        "sid-uri": "The URI that names an account was dropped",
    }, clients=("browsers, because a subject alternative name is missing",)),
    Cause("not-for-servers", "interoperability", "Issued certificates do not allow the use that a printer needs", {
        "issued-for-servers": "The extended key usage does not allow TLS servers",
        "usages-honoured": "The certificate does not have the key usage that the CSR requests",
    }, remedy="add serverAuth to extKeyUsage, or leave the extension out",
        clients=("browsers and printer drivers that connect to the printer",)),
    Cause("certificate-unusable", "interoperability", "Issued certificates cannot be used", {
        "issued-verifies": "The issuer of the certificate is unknown",
        "issued-valid-now": "The certificate is not valid now",
        "issued-rfc5280": "The certificate does not conform to RFC 5280",
    }),
    Cause("certificate-missing", "interoperability",
          "The payload of a SUCCESS is not exactly the certificate that clients look for", {
        "issued-present": "A SUCCESS contains no certificate for the key of the request",
        "renewed-present": "A SUCCESS to a renewal contains no certificate for the key of the request",
        "polled-present": "A SUCCESS to a poll contains no certificate for the key of the request",
        "issued-is-leaf": "A SUCCESS contains more than one end-entity certificate",
        "payload-is-bag": "The payload is not a certificates-only SignedData",
        "payload-no-content": "The payload has content",
        "payload-no-signers": "The payload is signed",
        "payload-members": "The payload has other members than certificates and CRLs",
        "payload-no-trailing": "Bytes follow the payload",
        "issued-chain-relevant": "A reply has a certificate outside the issued certificate's chain",
        "issued-without-crl": "A reply to an enrolment contains a CRL",
    }),
    Cause("envelope-unreadable", "interoperability", "Some clients cannot decrypt the envelope of replies", {
        "envelope-opens": "The client's key does not decrypt a reply",
        "envelope-to-signer": "A reply is encrypted to another certificate than the signer's",
        "envelope-shape": "The envelope has an unusual shape",
        "envelope-content-type": "The envelope's content type is not id-data",
        "certrep-key-transport": "The key transport of a reply is not rsaEncryption",
    }),
    Cause("replies-malformed", "interoperability", "The structure of CertReps does not follow the RFC", {
        "certrep-is-pkimessage": "The reply is not a pkiMessage",
        "certrep-two-layers": "The outer layer is not SignedData",
        "certrep-econtent-type": "The eContentType is not id-data",
        "certrep-content-is-envelope": "The content of a CertRep is not an EnvelopedData",
        "failure-no-envelope": "A FAILURE has an envelope",
        "pending-no-envelope": "A PENDING has an envelope",
        "certrep-no-trailing": "Bytes follow a CertRep",
        "certrep-signer-included": "The signer's certificate is not included",
        "certrep-signer-form": "The SignerInfo does not identify the signer by issuer and serial number",
        "certrep-digest-listed": "The signer's digest algorithm is not listed",
        "certrep-signature-algorithm": "The signature algorithm has an unusual name",
        "certrep-attributes-sorted": "The signed attributes are not in DER order",
    }),
    Cause("attributes-wrong", "interoperability", "Attributes of CertReps are missing or do not follow the RFC", {
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
        "numbers-canonical": "A numeric attribute is not plain decimal text",
        "attributes-single": "An attribute occurs twice, or has two values",
        "transactionid-returned": "The transactionID is not that of the request",
        "certrep-type": "A CertRep has another messageType than 3",
        "pkistatus-defined": "The pkiStatus is not defined",
        "failinfo-defined": "The failInfo is not defined",
        "failinfo-with-failure-only": "failInfo occurs without a FAILURE",
    }),
    Cause("unusual-cms", "interoperability", "Replies have parts that strict clients do not expect", {
        "certrep-without-data": "A reply without data has empty content instead of none",
        "payload-empty-sets": "Unused fields are empty instead of absent",
        "envelope-one-recipient": "A reply is encrypted to more than one recipient",
        "envelope-primitive": "The encryptedContent is constructed",
    }, clients=("embedded clients with a small CMS reader",)),
    Cause("http-forms-refused", "interoperability", "Ordinary forms of HTTP are not supported", {
        "caps-message-parameter": "GetCACaps or GetCACert with a message parameter gets another reply",
        "post-content-types": "A POST was not read because of its Content-Type",
        "get-pkioperation": "PKIOperation by GET was not processed",
        "get-standard-base64": "A GET in escaped standard base64 was not read",
        "get-long": "A long GET was not read",
        "http-chunked": "A chunked body was not read",
        "http-expect-continue": "A request with Expect: 100-continue was not processed",
        "http-keep-alive": "A connection served only one operation",
        "http-1.0": "A request in HTTP/1.0 without Host was not processed",
        "questions-by-post": "GetCACaps or GetCACert by POST got neither a reply as to GET nor HTTP 4xx",
        "post-without-operation": "A POST without operation got neither a CertRep nor HTTP 4xx",
    }),
    Cause("http-replies-wrong", "interoperability", "Replies have a wrong status, media type or encoding", {
        "failures-are-certreps": "A refusal was not a CertRep FAILURE with HTTP 200",
        "certrep-http-status-200": "A CertRep had another HTTP status than 200",
        "replies-binary": "Replies are in base64",
        "certrep-media-type": "The Content-Type of a CertRep is not application/x-pki-message",
        "replies-plainly-framed": "A reply was compressed although the client did not ask for it",
        "get-not-cached": "A reply to GET may be cached",
        "unknown-operation": "An unknown operation was not refused",
    }, clients=("certmonger, which refuses another media type", "most clients, which stop reading at an HTTP error")),
    Cause("media-type-parameters", "interoperability", "The media type of replies has parameters", {
        "certrep-media-type/parameters": "",
    }, remedy="set Content-Type without a charset",
    clients=("certmonger and other clients that compare the whole field",)),
    Cause("names-used-once", "interoperability", "A device cannot enrol again under its name", {
        "duplicate-subject": "",
    }, clients=("devices that were reset",)),
    Cause("rollover-wrong", "interoperability", "GetNextCACert does not return a CA that can follow the current one", {
        "next-not-available": "GetNextCACert got a reply although the CA has no successor",
        "next-media-type": "GetNextCACert has another media type",
        "next-nested": "The signature does not cover the new certificates",
        "next-no-scep-attributes": "The reply to GetNextCACert has SCEP attributes",
        "next-plausible": "The next CA certificate cannot follow the current one",
    }),
    Cause("queries-wrong", "interoperability", "GetCert or GetCRL does not return the requested object", {
        "getcert-certificate": "GetCert returned another certificate",
        "getcert-much-later": "GetCert did not return a certificate that was issued some time ago",
        "getcert-unknown": "GetCert for an unknown serial number was granted",
        "getcert-clean": "GetCert got neither SUCCESS nor FAILURE badRequest",
        "getcrl-clean": "GetCRL got neither SUCCESS nor FAILURE badRequest",
        "getcrl-current/no-next-update": "The CRL has no nextUpdate",
        "getcrl-in-crls": "GetCRL returned no CRL in the crls field",
        "getcrl-only-crl": "GetCRL also returned certificates",
    }),
    # --- robustness ---
    Cause("malformed-granted", "robustness",
          "Ambiguous, undefined or mislabelled requests are accepted", {
        "refuses-two-signers": "A request with two SignerInfos was accepted",
        "refuses-double-attributes": "A request with a repeated attribute was accepted",
        "refuses-no-cms-attributes/granted-untyped": "A request without contentType was accepted",
        "refuses-no-transactionid": "A request without transactionID was accepted",
        "refuses-no-messagetype": "A request without messageType was accepted",
        "refuses-no-nonce": "A request without senderNonce was accepted",
        "refuses-swapped-layers": "A request with its layers in reverse order was accepted",
        "refuses-garbage-content": "Random bytes were accepted",
        "refuses-other-content": "A request with content that does not match its messageType was accepted",
        "refuses-unknown-types": "An undefined messageType was accepted",
        "refuses-update-req": "The undefined messageType 18 was accepted",
        "refuses-certrep": "A CertRep was accepted as a request",
        "refuses-undecryptable": "A request that cannot be decrypted was accepted",
        "renewal-not-advertised": "A RenewalReq was accepted although Renewal is not advertised",
        "poll-unknown": "A poll for an unknown transaction was accepted",
    }, remedy="refuse everything that is not exactly one message of a defined type"),
    Cause("malformed-taken", "robustness", "Bytes that are not a message are accepted as one", {
        "malformed-empty": "An empty body was accepted",
        "malformed-one-octet": "One byte was accepted",
        "malformed-text": "HTML was accepted",
        "malformed-truncated": "Half a message was accepted",
        "malformed-length": "A message with a length beyond its end was accepted",
        "malformed-deep": "BER nested 10,000 deep was accepted",
        "malformed-large": "Zeros were accepted",
        "malformed-other-der": "DER that is not CMS was accepted",
        "malformed-trailing": "A message with bytes after it was not read and not refused cleanly",
    }),
    Cause("requests-not-remembered", "robustness", "A repeated request gets another certificate", {
        "replay-same-octets": "The same bytes got a second certificate",
        "replay-new-nonce": "The same request with a new nonce got a second certificate",
        "transaction-other-csr": "A known transactionID with another CSR was accepted",
        "poll-after-issue/another": "A poll for an issued certificate got another one",
    }, remedy="look up the transactionID before issuing, and return the certificate that was issued for it",
        clients=("certmonger and printers, which poll by repeating the request",)),
    # --- hygiene ---
    Cause("sender-nonce-echoed", "hygiene", "The senderNonce of CertReps is not new in each reply", {
        "sendernonce-fresh": "",
        "sendernonce-fresh/not-16-octets": "The senderNonce does not have 16 bytes",
    }, remedy="generate 16 random bytes for each reply"),
    Cause("issued-in-clear", "hygiene", "The issued certificate also occurs outside the envelope", {
        "issued-not-in-clear": "",
    }),
    # --- policy: how the server is configured ---
    Cause("ca-signs-replies", "policy", "The issuing CA signs CertReps itself, without an RA", {"ra-separate": ""}),
    Cause("path-matters", "policy", "The server works only at its own path", {"path-ignored": ""}),
    Cause("no-crl-pointer", "policy", "Issued certificates have no CRL distribution point and no authorityInfoAccess", {
        "issued-points-to-crl": "",
    }),
    Cause("get-encodings-strict", "policy", "GET is read only in the RFC's encoding", {"get-encodings": ""},
          clients=("Cisco and sscep, which wrap lines", "MikroTik, which does not escape")),
    Cause("renewal-open", "policy", "Renewal is open to every client, like enrolment without a challenge password", {
        "renewal-self-signed/granted-as-to-all": "", "renewal-by-stranger/granted-as-to-all": "",
        "renewal-expired/granted-as-to-all": "", "renewal-revoked/granted-as-to-all": "",
        "renewal-other-name/granted-as-to-all": "",
        "renewal-adds-names/granted-as-to-all": "",
    }),
    Cause("challenge-static", "policy", "All requests use one challenge password", {"challenge-one-time/static": ""},
          remedy="use one-time challenge passwords"),
)  # fmt: skip
"""What is wrong in one check or a few, by class; within a class the most important first."""


@cache
def _places() -> Mapping[str, tuple[Cause, str]]:
    """Each place, with its cause and its own title."""
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
    """The deviation that decides: the first of the worst class."""
    return min(result.deviations, key=lambda fact: KINDS.index(_cause(result.check, fact)[0].kind))


def cause_of(result: CheckResult) -> Cause:
    """The one cause of a result with deviations: that of the worst class, if its facts have several."""
    return _cause(result.check, _telling(result))[0]


def title_of(result: CheckResult) -> str:
    """What went wrong in a check with deviations."""
    fact = _telling(result)
    cause, words = _cause(result.check, fact)
    if words:
        return words
    unnamed = result.check.title if '"{what}"' in cause.told else f"the request of {result.check.id}"
    told = cause.told.format(what=fact.what or unnamed, got=fact.got)
    return told[:1].upper() + told[1:]
