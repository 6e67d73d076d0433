"""The numbers, names and object identifiers of SCEP and of the formats that it uses.

Owns no behaviour. Sources: RFC 8894 (SCEP), RFC 5652 (CMS), RFC 8017 (RSA), RFC 2985 (PKCS#9).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class MessageType(IntEnum):
    """RFC 8894, 3.2.1.2."""

    CERT_REP = 3
    RENEWAL_REQ = 17
    PKCS_REQ = 19
    CERT_POLL = 20
    GET_CERT = 21
    GET_CRL = 22

    @property
    def label(self) -> str:
        """The RFC's spelling, as in ``PKCSReq``."""
        return _MESSAGE_LABELS[self]


_MESSAGE_LABELS = {
    MessageType.CERT_REP: "CertRep",
    MessageType.RENEWAL_REQ: "RenewalReq",
    MessageType.PKCS_REQ: "PKCSReq",
    MessageType.CERT_POLL: "CertPoll",
    MessageType.GET_CERT: "GetCert",
    MessageType.GET_CRL: "GetCRL",
}


class PkiStatus(IntEnum):
    """RFC 8894, 3.2.1.3; there is no 1."""

    SUCCESS = 0
    FAILURE = 2
    PENDING = 3


class FailInfo(IntEnum):
    """RFC 8894, 3.2.1.4."""

    BAD_ALG = 0
    BAD_MESSAGE_CHECK = 1
    BAD_REQUEST = 2
    BAD_TIME = 3
    BAD_CERT_ID = 4

    @property
    def label(self) -> str:
        """The RFC's spelling, as in ``badAlg``."""
        return _FAIL_LABELS[self]


_FAIL_LABELS = {
    FailInfo.BAD_ALG: "badAlg",
    FailInfo.BAD_MESSAGE_CHECK: "badMessageCheck",
    FailInfo.BAD_REQUEST: "badRequest",
    FailInfo.BAD_TIME: "badTime",
    FailInfo.BAD_CERT_ID: "badCertId",
}


class Operation(StrEnum):
    """The ``operation`` of the HTTP query, RFC 8894, 4."""

    GET_CA_CAPS = "GetCACaps"
    GET_CA_CERT = "GetCACert"
    PKI_OPERATION = "PKIOperation"
    GET_NEXT_CA_CERT = "GetNextCACert"


# SCEP attributes (RFC 8894, 3.2.1). Careful: 5 is the sender's nonce, 7 the transactionID.
MESSAGE_TYPE = "2.16.840.1.113733.1.9.2"
PKI_STATUS = "2.16.840.1.113733.1.9.3"
FAIL_INFO = "2.16.840.1.113733.1.9.4"
SENDER_NONCE = "2.16.840.1.113733.1.9.5"
RECIPIENT_NONCE = "2.16.840.1.113733.1.9.6"
TRANSACTION_ID = "2.16.840.1.113733.1.9.7"
FAIL_INFO_TEXT = "1.3.6.1.5.5.7.24.1"

SCEP_ATTRIBUTES = {
    "messageType": MESSAGE_TYPE,
    "pkiStatus": PKI_STATUS,
    "failInfo": FAIL_INFO,
    "senderNonce": SENDER_NONCE,
    "recipientNonce": RECIPIENT_NONCE,
    "transactionID": TRANSACTION_ID,
    "failInfoText": FAIL_INFO_TEXT,
}

# CMS and PKCS#9
DATA = "1.2.840.113549.1.7.1"
SIGNED_DATA = "1.2.840.113549.1.7.2"
ENVELOPED_DATA = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23"
CONTENT_TYPE = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
SIGNING_TIME = "1.2.840.113549.1.9.5"
CHALLENGE_PASSWORD = "1.2.840.113549.1.9.7"  # noqa: S105 - an object identifier
RANDOM_NONCE = "1.2.840.113549.1.9.25.3"  # cryptlib adds it to the signed attributes
NDES_RESULT = "1.3.6.1.4.1.311.21.33"  # NDES: an HRESULT beside a FAILURE
NDES_MESSAGE = "1.3.6.1.4.1.311.21.38"  # NDES: a text of the server beside a SUCCESS
FRIENDLY_NAME = "1.2.840.113549.1.9.20"
EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
MICROSOFT_EXTENSION_REQUEST = "1.3.6.1.4.1.311.2.1.14"

# Public-key algorithms
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
RSAES_OAEP = "1.2.840.113549.1.1.7"
MGF1 = "1.2.840.113549.1.1.8"
P_SPECIFIED = "1.2.840.113549.1.1.9"
RSASSA_PSS = "1.2.840.113549.1.1.10"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"

# Password recipients (RFC 3211) and AES-GCM (RFC 5084)
PBKDF2 = "1.2.840.113549.1.5.12"
PWRI_KEK = "1.2.840.113549.1.9.16.3.9"
HMAC_OIDS = {
    "sha1": "1.2.840.113549.2.7",
    "sha256": "1.2.840.113549.2.9",
    "sha384": "1.2.840.113549.2.10",
    "sha512": "1.2.840.113549.2.11",
}
AES_128_GCM = "2.16.840.1.101.3.4.1.6"

DIGEST_OIDS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
}
RSA_SIGNATURE_OIDS = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
}
ECDSA_SIGNATURE_OIDS = {
    "sha1": "1.2.840.10045.4.1",
    "sha256": "1.2.840.10045.4.3.2",
    "sha384": "1.2.840.10045.4.3.3",
    "sha512": "1.2.840.10045.4.3.4",
}
CIPHER_OIDS = {
    "des-cbc": "1.3.14.3.2.7",
    "des-ede3-cbc": "1.2.840.113549.3.7",
    "aes-128-cbc": "2.16.840.1.101.3.4.1.2",
    "aes-192-cbc": "2.16.840.1.101.3.4.1.22",
    "aes-256-cbc": "2.16.840.1.101.3.4.1.42",
}

# X.509
SUBJECT_ALT_NAME = "2.5.29.17"
KEY_USAGE = "2.5.29.15"
EXTENDED_KEY_USAGE = "2.5.29.37"
BASIC_CONSTRAINTS = "2.5.29.19"
SUBJECT_KEY_IDENTIFIER = "2.5.29.14"
AUTHORITY_KEY_IDENTIFIER = "2.5.29.35"
CRL_NUMBER = "2.5.29.20"
ISSUING_DISTRIBUTION_POINT = "2.5.29.28"
REASON_CODE = "2.5.29.21"
CRL_DISTRIBUTION_POINTS = "2.5.29.31"
CERTIFICATE_POLICIES = "2.5.29.32"
AUTHORITY_INFORMATION_ACCESS = "1.3.6.1.5.5.7.1.1"
CA_ISSUERS = "1.3.6.1.5.5.7.48.2"

# purposes of extKeyUsage (RFC 5280, 4.2.1.12)
ANY_PURPOSE = "2.5.29.37.0"
ENROLMENT_AGENT = "1.3.6.1.4.1.311.20.2.1"
MICROSOFT_SID = "1.3.6.1.4.1.311.25.2"
"""The security identifier of the account that a certificate is for ([MS-WCCE] 2.2.2.7.7.4)."""
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
PURPOSES = {
    ANY_PURPOSE: "anyExtendedKeyUsage",
    ENROLMENT_AGENT: "enrolment agent",
    MICROSOFT_SID: "security identifier",
    SERVER_AUTH: "serverAuth",
    CLIENT_AUTH: "clientAuth",
    CODE_SIGNING: "codeSigning",
    EMAIL_PROTECTION: "emailProtection",
    "1.3.6.1.5.5.7.3.5": "ipsecEndSystem",
    "1.3.6.1.5.5.7.3.6": "ipsecTunnel",
    "1.3.6.1.5.5.7.3.7": "ipsecUser",
    TIME_STAMPING: "timeStamping",
    OCSP_SIGNING: "OCSPSigning",
    "1.3.6.1.5.5.7.3.17": "ipsecIKE",
    "1.3.6.1.5.5.8.2.2": "iKEIntermediate",
}

NAME_ATTRIBUTES = {
    "CN": "2.5.4.3",
    "SERIALNUMBER": "2.5.4.5",
    "C": "2.5.4.6",
    "L": "2.5.4.7",
    "ST": "2.5.4.8",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "DC": "0.9.2342.19200300.100.1.25",
}

# The names of object identifiers, for errors and descriptions.
OID_NAMES: dict[str, str] = {
    DATA: "data",
    SIGNED_DATA: "signedData",
    ENVELOPED_DATA: "envelopedData",
    AUTH_ENVELOPED_DATA: "authEnvelopedData",
    CONTENT_TYPE: "contentType",
    MESSAGE_DIGEST: "messageDigest",
    SIGNING_TIME: "signingTime",
    CHALLENGE_PASSWORD: "challengePassword",
    EXTENSION_REQUEST: "extensionRequest",
    MICROSOFT_EXTENSION_REQUEST: "extensionRequest (Microsoft)",
    RANDOM_NONCE: "randomNonce",
    NDES_RESULT: "HRESULT (NDES)",
    NDES_MESSAGE: "server message (NDES)",
    FRIENDLY_NAME: "friendlyName",
    RSA_ENCRYPTION: "rsaEncryption",
    RSAES_OAEP: "id-RSAES-OAEP",
    RSASSA_PSS: "id-RSASSA-PSS",
    MGF1: "id-mgf1",
    PBKDF2: "PBKDF2",
    PWRI_KEK: "PWRI-KEK",
    AES_128_GCM: "aes-128-gcm",
    EC_PUBLIC_KEY: "ecPublicKey",
    SUBJECT_ALT_NAME: "subjectAltName",
    KEY_USAGE: "keyUsage",
    BASIC_CONSTRAINTS: "basicConstraints",
    SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    CRL_NUMBER: "cRLNumber",
    REASON_CODE: "cRLReason",
    CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
    CERTIFICATE_POLICIES: "certificatePolicies",
    EXTENDED_KEY_USAGE: "extKeyUsage",
    AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    **{oid: name for name, oid in SCEP_ATTRIBUTES.items()},
    **{oid: name for name, oid in DIGEST_OIDS.items()},
    **{oid: name for name, oid in CIPHER_OIDS.items()},
    **{oid: f"{name}WithRSAEncryption" for name, oid in RSA_SIGNATURE_OIDS.items()},
    **{oid: f"ecdsa-with-{name.upper()}" for name, oid in ECDSA_SIGNATURE_OIDS.items()},
    **{oid: name for name, oid in NAME_ATTRIBUTES.items()},
    **PURPOSES,
}


def number_text(number: int) -> str:
    """A number from a peer, for people to read; a long one in hex."""
    return str(number) if abs(number) < 2**31 else hex(number)


HRESULTS: dict[str, int] = {
    "E_FAIL": 0x80004005,
    "E_ACCESSDENIED": 0x80070005,
    "E_INVALIDARG": 0x80070057,
    "NTE_BAD_DATA": 0x80090005,
    "NTE_BAD_SIGNATURE": 0x80090006,
    "NTE_BAD_ALGID": 0x80090008,
    "CRYPT_E_REVOKED": 0x80092010,
    "CERTSRV_E_BAD_REQUESTSUBJECT": 0x80094001,
    "CERTSRV_E_NO_REQUEST": 0x80094002,
    "CERTSRV_E_BAD_REQUESTSTATUS": 0x80094003,
    "CERTSRV_E_TEMPLATE_DENIED": 0x80094012,
    "CERTSRV_E_UNSUPPORTED_CERT_TYPE": 0x80094800,
    "CERTSRV_E_NO_CERT_TYPE": 0x80094801,
    "CERTSRV_E_KEY_LENGTH": 0x80094811,
    "CERT_E_EXPIRED": 0x800B0101,
    "CERT_E_UNTRUSTEDROOT": 0x800B0109,
    "CERT_E_CHAINING": 0x800B010A,
    "CERT_E_REVOKED": 0x800B010C,
}
"""Windows results that NDES may send with a FAILURE, as unsigned 32-bit numbers."""
_HRESULT_NAMES = {number: name for name, number in HRESULTS.items()}


def hresult_text(decimal: str) -> str:
    """An HRESULT in decimal as hex and name, ``0x80070057 E_INVALIDARG``; other text stays the same."""
    if not (len(decimal) <= 11 and decimal.isascii() and decimal.removeprefix("-").isdigit()):
        return decimal
    number = int(decimal) & 0xFFFFFFFF
    return " ".join([f"0x{number:08X}", *([_HRESULT_NAMES[number]] if number in _HRESULT_NAMES else [])])


def oid_text(dotted: str) -> str:
    """The name of an object identifier, or its dotted form if it does not have one."""
    return OID_NAMES.get(dotted, dotted)
