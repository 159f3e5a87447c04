"""Errors of the store as errors of a form, and changes since the form was shown."""

from collections.abc import Container, Iterator
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from ..exceptions import ConflictError, IntegrityError, NotUpdated
from ..flows.unique import unique_errors
from ..models import Model

SAVE_ERRORS = (ValidationError, IntegrityError, ConflictError, NotUpdated)
"""The errors of a save that a form shows."""

VERSION = "_version"
"""The hidden field with the version that the form showed."""


def compute_version(instance: Model) -> str:
    """Return a digest of the stored object without its counters, or "" if it is new.

    Counters change often and are compared one by one. The digest is keyed: it does not
    help to guess an attribute that the form does not show.
    """
    packed = instance._state.packed
    if packed is None:
        return ""
    return salted_hmac("django_ormist.forms", packed, algorithm="sha256").hexdigest()


def past_message() -> str:
    """Return the text about an expiration time that is past."""
    return _("It is past: the object would expire at once. Delete it instead.")


def conflict_message(instance: Model) -> str:
    """Return the text about an object that was changed since the form was shown."""
    return _(
        "Another user changed this %(name)s after this page was opened. Your changes "
        "were not saved. Open the page again to see the current values, and change "
        "them there."
    ) % {"name": instance._meta.verbose_name}


def changed_counters(form: Any, instance: Model) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of counters that were changed in the form and elsewhere.

    Their form fields have show_hidden_initial.
    """
    for name in sorted(instance._meta.counters.intersection(form.changed_data)):
        bound, now = form[name], getattr(instance, name, 0)
        try:
            shown = bound.field.to_python(form.data.get(bound.html_initial_name))
        except ValidationError:
            shown = None
        if shown != now:
            text = _("It is %(now)s now. Your changes were not saved.")
            yield name, text % {"now": now}


def place_errors(
    error: ValidationError, names: Container[str], other: str | None = None
) -> Iterator[tuple[str | None, Any]]:
    """Yield (field, errors) of a ValidationError, None for those of no field.

    names: the fields of the form. other: the field for errors about attributes without
    one. They begin with the name of the attribute.
    """
    if not hasattr(error, "error_dict"):
        yield None, error.error_list
        return
    for name, errors in error.error_dict.items():
        if name in names:
            yield name, errors
        elif name == NON_FIELD_ERRORS:
            yield None, errors
        else:
            texts = ValidationError(errors).messages
            yield other, [ValidationError(f"{name}: {text}") for text in texts]


def explain_refusal(error: Exception, instance: Model) -> ValidationError:
    """Return an error of a save as a ValidationError for the user."""
    if isinstance(error, ValidationError):
        return error
    if isinstance(error, IntegrityError) and error.names:
        return ValidationError(dict(unique_errors(instance, [error.names])))
    name = {"name": instance._meta.verbose_name}
    if isinstance(error, ConflictError):
        return ValidationError(conflict_message(instance), code="conflict")
    if isinstance(error, NotUpdated):
        text = _(
            "This %(name)s was deleted or has expired. Your changes were not saved."
        )
        return ValidationError(text % name, code="not_updated")
    text = _("This %(name)s was not saved: one of its values is taken.")
    return ValidationError(text % name, code="unique")
