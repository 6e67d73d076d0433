"""What offices of several languages enter: taken whole where the field has their letters, refused where it has not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from faker import Faker
from identities import LOCALES, Identity, identities, identity

from mfp_sim.device.printer_profile import profile_named
from mfp_sim.device.settings import CommunicationSettings, KeySettings
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr

MODEL = profile_named("canon-ir-adv-dx")
OTHER_LETTERS = [one for one in identities(3) if not one.person.isascii()]
each_office = pytest.mark.parametrize("office", identities(2), ids=str)


def _key(office: Identity) -> KeySettings:
    return KeySettings(office.key_name, office.ip, organization=office.organization, use="TLS", challenge="s3cret")


def test_they_are_the_same_in_any_order_and_whatever_else_is_drawn() -> None:
    before = identities(3)
    identity.cache_clear()
    Faker.seed(1)
    Faker("ja_JP").name()
    assert [identity(locale, number) for locale in reversed(LOCALES) for number in (2, 1, 0)] == before[::-1]
    assert len({one.person for one in before}) == len(before)
    assert {one.locale for one in OTHER_LETTERS} == {"ja_JP", "ar_SA", "el_GR"}


def test_fields_take_what_their_letters_can_write() -> None:
    for office in identities(30):
        _key(office).validate(MODEL, dns=False)
        replace(_key(office), common_name=office.fqdn).validate(MODEL, dns=True)
        for text in (office.person, office.unit, office.locality):
            replace(_key(office), organization=text[:64]).validate(MODEL, dns=False)


@pytest.mark.parametrize("office", OTHER_LETTERS, ids=str)
@pytest.mark.parametrize(
    ("field", "reason", "message"),
    [
        ("name", "bad-key-name", "the key name has to be 1 to 24 letters, digits, blanks, - or _"),
        ("common_name", "bad-common-name", "the common name has to be an IP address or an FQDN"),
        ("challenge", "bad-challenge", "the challenge password has at most 255 printable ASCII characters"),
    ],
)
def test_a_field_of_ascii_letters_refuses_others_and_says_what_it_takes(
    office: Identity, field: str, reason: str, message: str
) -> None:
    with pytest.raises(Refused) as caught:
        replace(_key(office), **{field: office.person.split()[-1][:24]}).validate(MODEL, dns=True)
    assert (caught.value.reason, caught.value.message) == (reason, message)


@pytest.mark.parametrize("office", OTHER_LETTERS, ids=str)
def test_a_url_is_of_ascii_letters(office: Identity) -> None:
    with pytest.raises(Refused, match="1 to 255 printable ASCII characters") as caught:
        CommunicationSettings(f"http://ca.example/{office.locality}").validate(MODEL)
    assert caught.value.reason == "bad-url"


def test_a_refused_name_leaves_the_machine_as_it_was(machine) -> None:
    world = machine()
    before = world.storage.load()
    with pytest.raises(Refused):
        world.printer.send_request(KeySettings("tls", identity("ja_JP", 0).person))
    assert (world.storage.load(), world.asked) == (before, [])


@each_office
def test_an_office_gets_the_certificate_of_its_own_name(machine, office: Identity) -> None:
    world = machine()
    world.printer.set_ip(office.ip)
    world.printer.send_request(_key(office))
    assert world.shown == ("successful", None)
    assert world.printer.advice == ()
    key = world.printer.key_list()[-1]
    assert (key.name, key.fits) == (office.key_name, True)
    assert x509.name_pairs(key.certificate.subject) == (("O", office.organization), ("CN", office.ip))
    world.printer.power_cut()
    world.printer.power_on()
    assert world.printer.key_list()[-1] == key
    assert world.printer.status()[0].key_name == office.key_name


@each_office
def test_a_bundle_brings_the_name_to_another_machine_as_it_is(machine, office: Identity) -> None:
    there, here = machine(), machine()
    there.timer(key=_key(office))
    there.printer.begin_export("pw")
    there.pass_time(minutes=2)
    here.printer.begin_import(there.printer.exported, "pw")
    here.pass_time(minutes=2)
    assert here.printer.auto_request.key == replace(_key(office), challenge=None)


@each_office
def test_a_subject_of_every_part_is_read_as_it_was_written_by_us_and_by_cryptography(office: Identity, machine) -> None:
    from cryptography import x509 as theirs

    world = machine(set_up=False)
    pairs = (("C", "NO"), ("L", office.locality), ("O", office.organization), ("OU", office.unit[:64]))
    subject = x509.name(*pairs, ("CN", office.person))
    request = csr.build(world.printer.requests.outside.keys.rsa(2048), subject=subject)
    assert x509.name_pairs(csr.Csr.from_der(request).subject) == (*pairs, ("CN", office.person))
    read = theirs.load_der_x509_csr(request).subject
    assert [attribute.value for attribute in read] == [*(value for _, value in pairs), office.person]
