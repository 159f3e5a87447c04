"""OrmistAdmin: Django's ModelAdmin over a model of django_ormist."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets, quote
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.forms import modelform_factory, modelformset_factory
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .. import exceptions
from ..batching import batched
from ..forms.errors import explain_refusal
from ..models import Model
from .changelist import OrmistChangeList
from .checks import OrmistAdminChecks
from .errors import may_delete, may_open_form, may_view, show_store_errors
from .filters import AttributeFilter, ChoicesFilter, RangeFilter, TagFilter
from .forms import OrmistForm, RowForm, RowFormSet, build_cell
from .lookups import describe_search, reveals, search, sortable_names
from .proxies import OWN_FIELDS, declared_names, has_undeclared_names
from .references import (
    ReferenceField,
    ReferenceFilter,
    build_widget,
    find_related,
)
from .typed import has_choices
from .value_text import to_text

if TYPE_CHECKING:
    AnyAdmin = admin.ModelAdmin[Any]
else:
    AnyAdmin = admin.ModelAdmin

LISTED = 100
"""Objects that the confirmation of a deletion lists. Others are counted."""

LOGGED_AT_ONCE = 1000


class Refused(Exception):
    """A change that the store refused. The text is for the user."""


class OrmistAdmin(AnyAdmin):
    """The pages of one model. Takes the options of Django's ModelAdmin.

    In methods and actions ``obj`` has the attributes and methods of the object;
    ``obj.ormist`` is the object itself. ``queryset.filter()`` takes lookups of find().
    """

    form = OrmistForm
    checks_class = OrmistAdminChecks
    search_fields: ClassVar[list[str] | tuple[str, ...]] = ("id", "tags")
    show_full_result_count = False
    list_max_show_all = 1000

    def __init__(self, model: Any, admin_site: Any) -> None:
        super().__init__(model, admin_site)
        if self.search_help_text is None:
            is_tagged = model.ormist_model.is_tagged
            words = lazy(describe_search, str)(self.search_fields, is_tagged)
            vars(self)["search_help_text"] = words

    # ------------------------------------------------------------ the list

    def get_changelist(self, request: Any, **kwargs: Any) -> Any:
        return OrmistChangeList

    def get_changelist_instance(self, request: Any) -> Any:
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            if error.args and isinstance(error.args[0], exceptions.OrmistError):
                self.message_user(request, str(error.args[0]), messages.ERROR)
            raise

    def get_list_filter(self, request: Any) -> list[Any]:
        excluded = self.excluded_names(request)
        given = super().get_list_filter(request)
        return [
            self._choose_filter(each)
            for each in given
            if (each[0] if isinstance(each, list | tuple) else each) not in excluded
        ]

    def _choose_filter(self, each: Any) -> Any:
        """Return the filter of a name, which Django chooses by the type of a column."""
        if not isinstance(each, str):
            return each
        if each == "tags":
            return each, TagFilter
        meta = self.model.ormist_model._meta
        if not meta.indexes(meta.stored_name(each)):
            return each, RangeFilter
        if each in meta.references:
            return each, ReferenceFilter
        declared = meta.fields_by_name.get(each)
        is_choice = declared is not None and has_choices(declared)
        return each, ChoicesFilter if is_choice else AttributeFilter

    def get_sortable_by(self, request: Any) -> Any:
        chosen = super().get_sortable_by(request)
        can = sortable_names(self.model.ormist_model._meta)
        return [name for name in chosen if not isinstance(name, str) or name in can]

    def get_search_fields(self, request: Any) -> list[str]:
        excluded = self.excluded_names(request)
        given = map(str, super().get_search_fields(request))
        return [name for name in given if name.lstrip("^=") not in excluded]

    def lookup_allowed(self, lookup: str, value: Any, request: Any) -> bool:
        """Return False for a lookup that reveals an excluded attribute."""
        if reveals(self.excluded_names(request), lookup, value):
            return False
        return super().lookup_allowed(lookup, value, request)

    def excluded_names(self, request: Any) -> frozenset[str]:
        """Return the names that lists do not filter or search by."""
        names = frozenset(self.get_exclude(request) or ()) - {"id", "pk"}
        return names.union(map(self.model.ormist_model._meta.stored_name, names))

    def get_search_results(
        self, request: Any, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        fields = self.get_search_fields(request)
        if not search_term.strip() or not fields:
            return queryset, False
        excluded = self.excluded_names(request)
        found, notes = search(queryset, fields, search_term, excluded)
        for note in notes:
            self.message_user(request, note, messages.WARNING)
        return found, False

    def get_changelist_form(self, request: Any, **kwargs: Any) -> Any:
        return modelform_factory(
            self.model,
            form=RowForm,
            fields=self.list_editable,
            formfield_callback=partial(build_cell, self, request),
        )

    def get_changelist_formset(self, request: Any, **kwargs: Any) -> Any:
        return modelformset_factory(
            self.model,
            self.get_changelist_form(request),
            formset=RowFormSet,
            extra=0,
            fields=self.list_editable,
            formfield_callback=partial(build_cell, self, request),
        )

    @show_store_errors(may_view)
    def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
        logged = request.ormist_logged = []
        try:
            return super().changelist_view(request, extra_context)
        except Refused as refusal:
            # Earlier rows stay saved. Only their history was rolled back.
            del request.ormist_logged
            for obj, message in logged:
                self.log_change(request, obj, message)
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    # ------------------------------------------------------------ one object

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if isinstance(db_field, ReferenceField):
            kwargs.setdefault("widget", build_widget(self, request, db_field))
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        """Return those of the class, the id, and those declared as not editable."""
        given = tuple(super().get_readonly_fields(request, obj))
        names = [each.name for each in self.opts.fields if not each.editable]
        if obj is not None:
            names = ["id", *names]
        return (*(name for name in names if name not in given), *given)

    def get_fields(self, request: Any, obj: Any = None) -> Any:
        if self.fields:
            return self.fields
        model = self.model.ormist_model
        counters = [f.name for f in self.opts.fields if f.name in model._meta.counters]
        tags = ["tags"] if model.is_tagged else []
        excluded = self.get_exclude(request, obj) or ()
        declared = declared_names(self.model)
        others = ["attrs"] if has_undeclared_names(self.model) else []
        names = ["id", *declared, *others, *counters, *tags, "expire"]
        names = [name for name in names if name not in excluded]
        read_only = self.get_readonly_fields(request, obj)
        return [*names, *(name for name in read_only if name not in names)]

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is not None and self.has_change_permission(request, obj):
            fieldsets.append((None, {"fields": ["_version"]}))
        return fieldsets

    def get_form(
        self, request: Any, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        if not self.model.ormist_model.is_tagged:
            form.base_fields.pop("tags", None)
        if not has_undeclared_names(self.model):
            form.base_fields.pop("attrs", None)
        for name in ("attrs", "tags"):
            if name not in (kwargs.get("fields") or (name,)):
                form.base_fields.pop(name, None)
        form.read_only = tuple(self.withhold(request, obj, [obj]))
        if obj is not None:
            shown = flatten_fieldsets(self.get_fieldsets(request, obj))
            own = set(declared_names(self.model)).intersection(shown)
            stored = map(self.model.ormist_model._meta.stored_name, own)
            vars(obj)["_ormist_withheld"] = {*stored, *form.read_only}
        form.refusal = getattr(request, "ormist_refusal", None)
        return form

    def withhold(self, request: Any, obj: Any, shown: Iterable[Any]) -> set[str]:
        """Return the names of attributes that "attrs" does not show or accept.

        Set them on each shown object, because attrs() gets no request.
        """
        excluded = self.get_exclude(request, obj) or ()
        names = {*self.get_readonly_fields(request, obj), *excluded} - OWN_FIELDS
        names.update(map(self.model.ormist_model._meta.stored_name, set(names)))
        for each in filter(None, shown):
            vars(each)["_ormist_withheld"] = names
        return names

    @show_store_errors(may_open_form)
    def changeform_view(
        self,
        request: Any,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        view = partial(super().changeform_view, request, object_id, form_url)
        try:
            return view(extra_context)
        except Refused as refusal:
            # Show the page again with the submitted values and the refusal.
            request.ormist_refusal = str(refusal)
            return view(extra_context)

    def save_form(self, request: Any, form: Any, change: bool) -> Any:
        return form.instance

    def save_related(
        self, request: Any, form: Any, formsets: Any, change: bool
    ) -> None:
        """Skip it: there are no related objects."""

    def save_model(self, request: Any, obj: Any, form: Any, change: bool) -> None:
        with raise_refused(obj):
            if change:
                obj.save(force_update=True, strict=True)
            else:
                obj.save(force_insert=True)

    def construct_change_message(
        self, request: Any, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        if add or not isinstance(form, OrmistForm):
            return super().construct_change_message(request, form, formsets, add)
        names = form.changed_names
        return [{"changed": {"fields": names}}] if names else []

    # ------------------------------------------------------------ deletion, history

    @show_store_errors(may_delete)
    def delete_view(
        self, request: Any, object_id: str, extra_context: Any = None
    ) -> Any:
        return super().delete_view(request, object_id, extra_context)

    @show_store_errors(may_view)
    def history_view(
        self, request: Any, object_id: str, extra_context: Any = None
    ) -> Any:
        return super().history_view(request, object_id, extra_context)

    def get_deleted_objects(
        self, objs: Any, request: Any
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        number = len(objs)
        name = capfirst(self.opts.verbose_name)
        shown: list[str] = [
            format_html('{}: <a href="{}">{}</a>', name, self._url(obj), obj)
            for obj in islice(objs[:LISTED], LISTED)
        ]
        if number > len(shown):
            shown.append(_("and %(number)s more") % {"number": number - len(shown)})
        related = find_related(self, request, objs)
        needed = related.needed
        if not self._may_delete(request, objs):
            needed.add(str(self.opts.verbose_name))
        counts = {str(self.opts.verbose_name_plural): number, **related.counts}
        return [*shown, *related.shown], counts, needed, related.protected

    def _may_delete(self, request: Any, objs: Any) -> bool:
        """Return whether the user may delete each of these objects.

        They are loaded only if the project overrides the method that decides.
        """
        if type(self).has_delete_permission is admin.ModelAdmin.has_delete_permission:
            return self.has_delete_permission(request)
        each = objs if isinstance(objs, list) else objs.iterator()
        return all(self.has_delete_permission(request, obj) for obj in each)

    def log_change(self, request: Any, obj: Any, message: Any) -> Any:
        if hasattr(request, "ormist_logged"):
            request.ormist_logged.append((obj, message))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: Any, queryset: Any) -> Any:
        """Log the deletions, with at most 1000 objects in memory at a time."""
        is_list = isinstance(queryset, list)
        rest = queryset if is_list else queryset.iterator()
        log: Any = super().log_deletions
        for some in batched(rest, LOGGED_AT_ONCE):
            log(request, some)
        return None

    def _url(self, obj: Any) -> str:
        return reverse(
            f"admin:{self.opts.app_label}_{self.opts.model_name}_change",
            args=(quote(obj.pk),),
            current_app=self.admin_site.name,
        )

    # ------------------------------------------------------------ columns

    def action_checkbox(self, obj: Any) -> Any:
        """Return "" for an id with a line break, which a browser would change."""
        return "" if set(obj.pk) & set("\r\n\0") else super().action_checkbox(obj)

    @admin.display(description=gettext_lazy("attributes"))
    def attrs(self, obj: Any) -> Any:
        """Return the attributes as a list, for users who may only view."""
        static = {*self.readonly_fields, *(self.exclude or ())} - OWN_FIELDS
        hidden = vars(obj).get("_ormist_withheld", static)
        rows = (
            (name, to_text(value).text if value is not None else _("none"))
            for name, value in sorted(obj.ormist.attrs.items())
            if name not in hidden
        )
        return format_html(
            '<dl class="ormist-attrs">{}</dl>',
            format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows),
        )


@contextmanager
def raise_refused(obj: Any) -> Iterator[None]:
    """Raise Refused for errors of the store and the codec."""
    try:
        yield
    except ValidationError as error:
        raise Refused(f"{obj}: {' '.join(error.messages)}") from error
    except exceptions.IntegrityError as error:
        raise Refused(_explain_taken(obj.ormist, error)) from error
    except (
        exceptions.OrmistError,
        IntegrityError,
        ArithmeticError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise Refused(str(error)) from error


def _explain_taken(ormist: Model, error: exceptions.IntegrityError) -> str:
    """Return the model's own message for taken values, or ours with the holder."""
    if type(ormist).unique_error_message is Model.unique_error_message:
        return str(error)
    return " ".join(explain_refusal(error, ormist).messages)
