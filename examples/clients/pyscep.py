"""PyScep, or its descendant scepreq, as a client of the protocol of docs/reference/clients.md: one verb per run."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import metadata
from pathlib import Path

warnings.simplefilter("ignore")  # a line before the version would be read as the version
if "OSCRYPTO_LIBCRYPTO" in os.environ:  # an OpenSSL whose version oscrypto can read
    import oscrypto

    oscrypto.use_openssl(os.environ["OSCRYPTO_LIBCRYPTO"], os.environ["OSCRYPTO_LIBSSL"])

try:
    from scepreq.certificate import Certificate
    from scepreq.client import Client
    from scepreq.enums import PKIStatus
    from scepreq.privatekey import PrivateKey
    from scepreq.signingrequest import SigningRequest

    NAME = "scepreq"
except ImportError:
    from scep.Client import Certificate, Client, PKIStatus, PrivateKey, SigningRequest

    NAME = "PyScep"

__all__: list[str] = []
USAGE = {"digital_signature", "key_encipherment"}


def fetch_crl(client: Client, certificate_file: Path, key_file: Path) -> list[bytes]:
    """Fetch the CRL of the CA that issued the client's certificate."""
    own = Certificate.from_pem_file(certificate_file)
    answer = client.get_crl(own, PrivateKey.from_pem_file(key_file), own.serial_number)
    if answer.status != PKIStatus.SUCCESS:
        raise ValueError(f"failInfo: {getattr(answer, 'fail_info', None)}")
    return [answer.crl.to_pem()]


FETCHES = {
    "get-ca": lambda client, *_: [found.to_pem() for found in client.get_ca_certs().certificates],
    "get-next-ca": lambda client, *_: [found.to_pem() for found in client.rollover_certificate()],
    "get-crl": fetch_crl,
}


def main(verb: str) -> int:
    """Carry out a verb; returns the exit code of the protocol."""
    if verb == "version":
        print(NAME, metadata.version(NAME))
        return 0
    if verb not in ("enrol", "poll", "renew", *FETCHES):
        return 127
    certificate_file, key_file = Path(os.environ["SCEP_CERTIFICATE_FILE"]), Path(os.environ["SCEP_KEY_FILE"])
    identity_file, transaction_file = Path("identity.pem"), Path("transaction")
    subject = os.environ["SCEP_SUBJECT"]
    client = Client(os.environ["SCEP_URL"])
    if verb in FETCHES:
        Path(os.environ["SCEP_FETCHED_FILE"]).write_bytes(b"".join(FETCHES[verb](client, certificate_file, key_file)))
        return 0
    if verb == "poll":
        key = PrivateKey.from_pem_file(key_file)
        identity = Certificate.from_pem_file(identity_file)
        answer = client.poll(identity, key, identity.subject, transaction_file.read_text())
    else:
        key = SigningRequest.generate_pair()
        # A renewal shows the certificate in place of the challenge (RFC 8894, 2.4).
        challenge = os.environ["SCEP_CHALLENGE"] if verb == "enrol" else ""
        if NAME == "scepreq":
            request, _ = SigningRequest.generate_csr(subject, USAGE, [], challenge, key)
        else:
            request, _ = SigningRequest.generate_csr(subject.removeprefix("CN="), USAGE, challenge, key)
        if verb == "renew":
            identity, signer = Certificate.from_pem_file(certificate_file), PrivateKey.from_pem_file(key_file)
        else:
            identity, signer = SigningRequest.generate_self_signed(subject.removeprefix("CN="), USAGE, key)
            identity_file.write_bytes(identity.to_pem())
            key_file.write_bytes(key.to_pem())
        answer = client.enrol(request, identity, signer)
    if answer.status == PKIStatus.PENDING:
        transaction_file.write_text(answer.transaction_id)
        return 75
    if answer.status == PKIStatus.FAILURE:
        print("failInfo:", answer.fail_info)
        return 1
    # The library names no certificate as the new one: its own example takes the first.
    certificate_file.write_bytes(answer.certificates[0].to_pem())
    key_file.write_bytes(key.to_pem())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except Exception as error:  # noqa: BLE001 - every error of the library is a refusal
        print(f"{type(error).__name__}: {error}")
        sys.exit(1)
