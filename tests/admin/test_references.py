"""References in the admin, to models of both kinds."""

import json

import pytest
from django.contrib import admin

from django_ormist import admin as ormist_admin
from django_ormist.admin.proxies import admin_model_for
from django_ormist.testing import assert_round_trips

from .conftest import url
from .declared import ClosedShipment, Letter, Sender, Shipment
from .pages import controls, errors, submitted

pytestmark = pytest.mark.servers("valkey91")

ADD, CHANGE, LIST = (f"tests_letter_{page}" for page in ("add", "change", "changelist"))


@pytest.fixture
def senders(root):
    return [Sender.objects.create(id=name, name=name) for name in ("ann", "bob")]


def suggest(client, field, term):
    query = {"app_label": "tests", "model_name": "letter", "field_name": field}
    response = client.get("/admin/autocomplete/", {**query, "term": term})
    return response if response.status_code != 200 else json.loads(response.content)


def test_a_popup_searches_objects_of_both_kinds(root, superuser, senders):
    found = suggest(root, "sender", "ann")
    assert found["results"] == [{"id": "ann", "text": "Sender ann"}]
    assert len(suggest(root, "sender", "")["results"]) == 2
    assert found["pagination"] == {"more": False}
    found = suggest(root, "clerk", "roo")
    assert found["results"] == [{"id": str(superuser.pk), "text": "root"}]


def test_a_popup_needs_the_permission_to_view(staff, senders):
    client = staff("change_letter")
    assert suggest(client, "sender", "ann").status_code == 403
    assert suggest(client, "clerk", "roo").status_code == 403


def test_a_form_chooses_objects(root, superuser, senders):
    page = root.get(url(ADD))
    kinds = controls(page)
    assert kinds["sender"] == kinds["clerk"] == "select"
    assert kinds["before"] == "text"
    text = page.content.decode()
    assert 'data-field-name="sender"' in text
    assert "/admin/tests/sender/add/?_to_field=id&amp;_popup=1" in text
    assert "/admin/auth/user/add/" in text
    assert "/admin/tests/letter/?_to_field=id" in text
    data = submitted(page, sender="ann", clerk=str(superuser.pk), _save="Save")
    response = root.post(url(ADD), data)
    assert response.status_code == 302, errors(response)
    [letter] = Letter.objects.all()
    assert letter.attrs == {
        "sender_id": "ann",
        "clerk_id": superuser.pk,
        "depot_id": None,
        "before_id": None,
    }
    page = root.get(url(CHANGE, letter.pk))
    assert submitted(page)["sender"] == "ann"
    assert "Sender ann</option>" in page.content.decode()
    changes = {"sender": "bob", "clerk": "", "before": letter.pk}
    assert root.post(url(CHANGE, letter.pk), submitted(page, **changes)).url
    letter.refresh_from_db()
    assert (letter.sender_id, letter.clerk, letter.before) == ("bob", None, letter)
    assert "Sender bob" in root.get(url(CHANGE, letter.pk)).content.decode()


def test_an_object_that_does_not_exist_is_an_error_of_its_field(root, senders):
    data = submitted(root.get(url(ADD)), sender="eve", clerk="99", before="x")
    form = root.post(url(ADD), data).context["adminform"].form
    assert form.errors.keys() == {"sender", "clerk", "before"}
    data = submitted(root.get(url(ADD)))
    assert errors(root.post(url(ADD), data)) == "This field is required."


def test_the_key_of_an_object_that_is_gone_stays(root, senders):
    letter = Letter.objects.create(sender="gone")
    page = root.get(url(CHANGE, letter.pk))
    assert submitted(page)["sender-value"] == "gone"
    data = submitted(page, _save="Save")
    assert root.post(url(CHANGE, letter.pk), data).status_code == 302
    assert Letter.objects.get(letter.pk).sender_id == "gone"


def test_a_list_loads_what_it_shows_at_once(root, superuser, senders):
    Letter.objects.bulk_create(
        Letter(sender=senders[n % 2], clerk=superuser) for n in range(6)
    )
    # The count and the page, the sample with its senders, the senders of the page.
    with assert_round_trips(2 + 3 + 1):
        page = root.get(url(LIST))
    text = page.content.decode()
    assert text.count("Sender ann") == 3 + 1
    assert text.count('field-clerk">root') == 6


def test_a_list_is_filtered_by_what_it_refers_to(root, superuser, senders):
    Letter.objects.create(sender=senders[0], clerk=superuser)
    Letter.objects.create(sender=senders[1])
    page = root.get(url(LIST))
    by_sender, by_clerk = (
        [str(choice["display"]) for choice in spec.choices(page.context["cl"])]
        for spec in page.context["cl"].filter_specs
    )
    assert by_sender == ["All", "Sender ann", "Sender bob"]
    assert by_clerk == ["All", "root", "None"]
    for query in (
        {"sender": "ann"},
        {"clerk": superuser.pk},
        {"clerk__isnull": "True"},
    ):
        assert root.get(url(LIST), query).context["cl"].result_count == 1
    assert root.get(url(LIST), {"clerk": "x"}).status_code == 302


def test_a_viewer_sees_the_objects(staff, senders, superuser):
    letter = Letter.objects.create(sender=senders[0], clerk=superuser)
    page = staff("view_letter").get(url(CHANGE, letter.pk)).content.decode()
    assert '<div class="readonly">Sender ann</div>' in page
    assert '<div class="readonly">root</div>' in page
    assert "sender_id" not in page


def test_an_object_made_in_a_popup_is_chosen(root, senders):
    address = f"{url('tests_sender_add')}?_to_field=id&_popup=1"
    page = root.get(address)
    response = root.post(address, submitted(page, id="eve", name="eve"))
    assert "eve" in response.context["popup_response_data"]


def check(model, **options):
    odd = type("OddAdmin", (ormist_admin.OrmistAdmin,), options)
    other = admin.AdminSite()
    ormist_admin.register(model, site=other)(odd)
    return [error.id for error in other.get_model_admin(admin_model_for(model)).check()]


@pytest.mark.parametrize(
    ("model", "options", "ids"),
    [
        (Shipment, {"raw_id_fields": ["note"]}, ["ormist.E205"]),
        (Shipment, {"autocomplete_fields": ["note"]}, ["ormist.E205"]),
        (Letter, {"autocomplete_fields": ["sender"]}, ["ormist.E205"]),
        (Letter, {"raw_id_fields": ["sender", "clerk"]}, []),
        (
            Letter,
            {"list_display": ["id", "sender"], "list_editable": ["sender"]},
            ["ormist.E206"],
        ),
        (
            Letter,
            {"search_fields": ["clerk"], "list_filter": ["before"]},
            ["ormist.E203"],
        ),
    ],
)
def test_an_unsuitable_reference_is_an_error(server, model, options, ids):
    assert check(model, **options) == ids


def test_an_object_without_search_is_chosen_by_its_key(root, server, monkeypatch):
    depot = ClosedShipment.objects.create(name="x")
    from .site import site

    monkeypatch.setattr(
        site.get_model_admin(admin_model_for(ClosedShipment)), "search_fields", ()
    )
    Sender.objects.create(id="ann")
    page = root.get(url(ADD))
    assert controls(page)["depot"] == "text"
    data = submitted(page, sender="ann", depot=depot.pk, _save="Save")
    assert root.post(url(ADD), data).status_code == 302
    assert Letter.objects.get().depot == depot


def test_a_deletion_shows_and_deletes_what_refers_to_it(root, staff, senders):
    for sender in ("ann", "ann", "bob"):
        Letter.objects.create(sender=sender)
    address = url("tests_sender_delete", "ann")
    page = root.get(address)
    assert "Letters: 2" in page.content.decode()
    assert dict(page.context["model_count"]) == {"senders": 1, "letters": 2}
    refused = staff("delete_sender").post(address, {"post": "yes"})
    assert refused.status_code == 403
    assert root.post(address, {"post": "yes"}).status_code == 302
    assert (Sender.objects.count(), Letter.objects.count()) == (1, 1)


def test_a_protected_object_cannot_be_deleted(root, senders):
    depot = ClosedShipment.objects.create(name="x")
    letter = Letter.objects.create(sender="ann", depot=depot)
    address = url("tests_closedshipment_delete", depot.pk)
    page = root.get(address)
    assert page.context["protected"] == [f"Letter: {letter}"]
    assert "would require deleting the following protected" in page.content.decode()
    assert root.post(address, {"post": "yes"}).status_code == 200
    data = {"action": "delete_selected", "_selected_action": depot.pk, "post": "yes"}
    assert root.post(url("tests_closedshipment_changelist"), data).status_code == 200
    assert ClosedShipment.objects.count() == 1
