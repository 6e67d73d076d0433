"""The simulated printer as a client of the protocol: it makes one manual request and keeps its state in its folder."""

from __future__ import annotations

import os
import ssl
import sys
from importlib import metadata
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from mfp_sim.device.outside import Factory
from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer import Outside, Printer
from mfp_sim.device.printer_profile import profile_named
from mfp_sim.device.settings import KeySettings
from mfp_sim.device.storage import DirectoryStorage
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import Entropy, GeneratedKeys, Scheduler, SystemClock
from mfp_sim.transport import Sockets

__all__: list[str] = []


def main(verb: str) -> int:
    """Carry out a verb; returns the exit code of the protocol."""
    if verb == "version":
        print(f"mfp-sim {metadata.version('mfp-sim')}")
        return 0
    if verb not in ("enrol", "renew"):  # the printer does not poll for a manual request
        return 127
    printer = _printer(Path.cwd() / "state")
    before = {entry.id for entry in printer.key_list()}
    common_name = os.environ["SCEP_SUBJECT"].removeprefix("CN=")
    key = KeySettings(f"key-{len(before)}", common_name, use="TLS", challenge=os.environ["SCEP_CHALLENGE"])
    try:
        row = printer.send_request(key)
    except Refused as refusal:
        print(refusal)
        return 1
    for entry in printer.audit:
        print(f"{entry.operation}: {entry.result} {entry.diagnosis}")
    made = [entry for entry in printer.key_list() if entry.id not in before]
    if row.state != "successful" or not made:
        print(row.details.label if row.details else row.state)
        return 1
    Path(os.environ["SCEP_CERTIFICATE_FILE"]).write_text(ssl.DER_cert_to_PEM_cert(made[-1].certificate.der))
    private = load_der_private_key(made[-1].private, None)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    Path(os.environ["SCEP_KEY_FILE"]).write_bytes(pem)
    return 0


def _printer(folder: Path) -> Printer:
    clock = SystemClock()
    points = PowerPoints()
    folder.mkdir(exist_ok=True)
    outside = Outside(
        scheduler=(scheduler := Scheduler(clock)),
        wire=Sockets(scheduler),
        entropy=Entropy(None),
        keys=GeneratedKeys(),
        recorder=Recorder(clock),
        storage=DirectoryStorage(folder, reach=points.reach),
        points=points,
    )
    printer = Printer(profile_named("canon-ir-adv-dx"), outside, Factory(functions=("TLS",), dns=True))
    printer.power_on()
    url, timeout = os.environ["SCEP_URL"], int(float(os.environ["SCEP_TIMEOUT"]))
    printer.update_communication(url=url, port=Url.parse(url).port, timeout=timeout)
    return printer


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
