"""Real SCEP clients as programs: one enrolment each, and what the program made of it. Asserts nothing of SCEP."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHALLENGE = "peer-challenge"
WAIT = "for _ in $(seq 200); do case $(getcert list -s) in *MONITORING*|*'stuck: yes'*) break ;; esac; sleep 0.05; done"
LIBRARY = "/usr/lib/certmonger"  # where Debian keeps the daemon for a session and its helpers


@dataclass(frozen=True)
class Told:
    """What a client said: the file with its certificate, whether it reports a refusal, and all that it printed."""

    certificate: Path | None
    refused: bool
    text: str


@dataclass(frozen=True)
class Scepclient:
    """micromdm's client."""

    program: str
    folder: Path

    @property
    def key_file(self) -> Path:
        """The key of its certificate, in PEM; so for each client."""
        return self.folder / "key.pem"

    def enrol(self, url: str, ca: Path, *options: str, challenge: str = CHALLENGE, polls: bool = False) -> Told:
        done = subprocess.run(
            [self.program, "-private-key", "key.pem", "-certificate", "certificate.pem", "-server-url", url, "-cn",
             "printer-1.example", "-country", "", "-organization", "", "-ou", "", "-challenge", challenge, "-debug",
             *options],
            capture_output=True, text=True, check=False, timeout=120, cwd=self.folder,
        )  # fmt: skip
        text = done.stdout + done.stderr
        certificate = self.folder / "certificate.pem" if done.returncode == 0 else None
        return Told(certificate, done.returncode != 0 and "failInfo" in text, text)

    def renew(self, url: str, ca: Path) -> Told:
        """It renews by itself where it finds a certificate."""
        return self.enrol(url, ca)


OPENSSL_PLUGIN = Path("/usr/lib/ipsec/plugins/libstrongswan-openssl.so")
PLUGINS = (
    "aes rc2 sha2 sha1 md5 mgf1 random x509 revocation pubkey pkcs1 pkcs7 pkcs12 dnskey sshkey pem {openssl} gcrypt pkcs8 "
    "gmp hmac kdf drbg curl"
)
"""What ``pki`` loads by itself, in its order, less hardware; of each only what is installed."""


@dataclass(frozen=True)
class Pki:
    """strongSwan's ``pki``; ``key`` is made once and used again, since making one is most of the time.

    ``openssl``: with its OpenSSL plugin, which Debian installs with what is recommended, and which reads and encrypts
    otherwise than strongSwan's own. The machine's strongswan.conf has no say.
    """

    program: str
    folder: Path
    key: Path
    openssl: bool = False

    @property
    def key_file(self) -> Path:
        return self.key

    def run(self, *arguments: str, into: str = "out") -> subprocess.CompletedProcess[str]:
        configuration = self.folder / "strongswan.conf"
        plugins = PLUGINS.format(openssl="openssl" if self.openssl else "")
        configuration.write_text(f"pki {{\n  load = {plugins}\n}}\n")
        with (self.folder / into).open("wb") as out:
            return subprocess.run(
                [self.program, *arguments],
                stdout=out, stderr=subprocess.PIPE, text=True, errors="replace", check=False, timeout=120,
                cwd=self.folder, env={**os.environ, "STRONGSWAN_CONF": str(configuration)},
            )  # fmt: skip

    def enrol(self, url: str, ca: Path, *options: str, challenge: str = CHALLENGE, polls: bool = False) -> Told:
        for old in self.folder.glob("*ca*.pem"):
            if old != ca:
                old.unlink()
        got = self.run("--scepca", "--url", url, "--caout", "ca.pem", "--raout", "ra.pem", "--outform", "pem")
        assert got.returncode == 0, got.stderr
        # With two RA certificates it writes ra.pem (encryption or both) and ra-1.pem.
        encryption, signature = self._ra_files()
        done = self.run(
            "--scep", "--url", url, "--in", str(self.key), "--dn", "CN=printer-1.example",
            "--san", "printer-1.example", "--password", challenge, "--cacert-enc", encryption,
            "--cacert-sig", signature, "--cacert", "ca.pem", "--outform", "pem", "--interval", "1",
            "--maxpolltime", "20", *options, into="cert.pem",
        )  # fmt: skip
        refused = done.returncode != 0 and "failInfo:" in done.stderr
        return Told(self.folder / "cert.pem" if done.returncode == 0 else None, refused, done.stderr)

    def renew(self, url: str, ca: Path) -> Told:
        shutil.copy(self.folder / "cert.pem", self.folder / "old.pem")
        return self.enrol(url, ca, "--cert", "old.pem", "--key", str(self.key))

    def _ra_files(self) -> tuple[str, str]:
        found = sorted(path.name for path in self.folder.glob("ra*.pem"))
        if not found:
            return "ca.pem", "ca.pem"
        text = {name: subprocess.run(
            ["openssl", "x509", "-in", name, "-noout", "-ext", "keyUsage"],
            capture_output=True, text=True, check=True, cwd=self.folder,
        ).stdout for name in found}  # fmt: skip
        (encryption,) = [name for name in found if "Key Encipherment" in text[name]]
        (signature,) = [name for name in found if "Digital Signature" in text[name]]
        return encryption, signature


@dataclass(frozen=True)
class Certmonger:
    """certmonger's daemon on a private bus, driven by ``getcert``; it and its helper say why they do what they do.

    It finds a copy of ``key``: when it made its own, the one in its file once, on a busy machine, did not open the reply.
    """

    bus: str
    folder: Path
    key: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "home" / "key.pem"

    def enrol(self, url: str, ca: Path, *options: str, challenge: str = CHALLENGE, polls: bool = False) -> Told:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        shutil.copy(self.key, self.key_file)
        # What add-scep-ca would make, with -v.
        helper = f"{LIBRARY}/scep-submit -v -u {url} -N {ca}"
        asks = (
            f"request -s -c scep -I one -k {home}/key.pem -f {home}/cert.pem -N CN=printer-1.example -L {challenge} -w"
        )
        # What it says before it is told to ask again, and after. Without -w, refresh does not wait for the end.
        again = f"getcert list -s; getcert refresh -s -i one; {WAIT}" if polls else ""
        return self._drive(f"getcert add-ca -s -c scep -e '{helper}' && getcert {asks}\n{again}\ngetcert list -s\n")

    def renew(self, url: str, ca: Path) -> Told:
        """It remembers the CA, and what it has from it."""
        return self._drive("getcert resubmit -s -i one -w\ngetcert list -s\n")

    def _drive(self, script: str) -> Told:
        home, driven = self.folder / "home", self.folder / "driven.sh"
        driven.write_text(script)
        done = subprocess.run(
            [self.bus, "--", f"{LIBRARY}/certmonger-session", "-n", "-d", "1", "-c", f"bash {driven}"],
            capture_output=True, text=True, errors="replace", check=False, timeout=120, cwd=self.folder,
            env={**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")},
        )  # fmt: skip
        issued = "status: MONITORING" in done.stdout
        refused = "status: CA_REJECTED" in done.stdout
        return Told(home / "cert.pem" if issued else None, refused, done.stdout + done.stderr)


Client = Scepclient | Pki | Certmonger
