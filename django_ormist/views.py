"""Django's generic views for models of django_ormist.

Django's own views find objects of any model. But those of one object derive the names
of the template and of the context only for models of SQL, and make Django's ModelForm.
These make ours, and show errors of a save in the form.
"""

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.views import generic

from .forms import ModelForm, modelform_factory
from .forms.errors import SAVE_ERRORS
from .models import Collection, Manager, Model

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.views.generic.base import ContextMixin, TemplateResponseMixin, View

__all__ = ["CreateView", "DeleteView", "DetailView", "ListView", "UpdateView"]

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:

    class _Object(TemplateResponseMixin, ContextMixin, View, Generic[M]):
        """The parts of Django's views of one object that are used here."""

        model: type[M] | None
        queryset: Any
        object: M
        context_object_name: str | None
        success_url: Any
        template_name_suffix: str

        def get_object(self, queryset: Any = None) -> M: ...
        def get_queryset(self) -> Any: ...
        def get_context_object_name(self, obj: Any) -> str | None: ...
        def get_success_url(self) -> str: ...

    class _Form(_Object[M]):
        """The parts of Django's views with a ModelForm that are used here."""

        fields: Any
        form_class: type[ModelForm[M]] | None
        initial: dict[str, Any]

        def get_initial(self) -> dict[str, Any]: ...
        def get_form_kwargs(self) -> dict[str, Any]: ...
        def get_form_class(self) -> type[ModelForm[M]]: ...
        def get_form(self, form_class: Any = None) -> ModelForm[M]: ...
        def form_valid(self, form: Any) -> HttpResponse: ...
        def form_invalid(self, form: Any) -> HttpResponse: ...
        def post(
            self, request: HttpRequest, *args: Any, **kwargs: Any
        ) -> HttpResponse: ...

    class _List(TemplateResponseMixin, ContextMixin, View, Generic[M]):
        """The parts of Django's ListView that are used here."""

        model: type[M] | None
        queryset: Any
        object_list: Any
        ordering: Any
        paginate_by: int | None
        context_object_name: str | None
        allow_empty: bool

        def get_queryset(self) -> Any: ...

    class _Detail: ...

    class _Delete: ...

    class _Create: ...

    class _Update: ...

    class _Lists: ...

else:

    class _Object(Generic[M]): ...

    class _List(Generic[M]): ...

    _Form = _Object
    _Detail, _Delete, _Lists = generic.DetailView, generic.DeleteView, generic.ListView
    _Create, _Update = generic.CreateView, generic.UpdateView


class _ObjectView(_Object[M]):
    """Mix-in: the names of the template and of the context, and the next address."""

    def get_context_object_name(self, obj: Any) -> str | None:
        """Return the name of the object in the context: ``cart`` of a Cart."""
        if self.context_object_name or not isinstance(obj, Model):
            return super().get_context_object_name(obj)
        return obj._meta.model_name

    def get_template_names(self) -> list[str]:
        """Return Django's names, and ``shop/cart_form.html`` for the suffix _form."""
        meta = self._find_model()._meta if self.template_name is None else None
        try:
            names = list(super().get_template_names())
        except ImproperlyConfigured:
            if meta is None or meta.app_label is None:
                raise
            names = []
        if meta is not None and meta.app_label is not None:
            suffix = self.template_name_suffix
            names.append(f"{meta.app_label}/{meta.model_name}{suffix}.html")
        return names

    def _find_model(self) -> type[Model]:
        """Return the class of the object, else the model of the view."""
        found = getattr(self, "object", None)
        if isinstance(found, Model):
            return type(found)
        model: type[Model] = self.model or self.get_queryset().model
        return model

    def get_success_url(self) -> str:
        """Return success_url, which may name the id and attributes: ``/carts/{id}/``.

        By default, the ``get_absolute_url()`` of the object.
        """
        if not self.success_url:
            return super().get_success_url()
        found = self.object
        values = {**found.attrs, "id": found.pk, "pk": found.pk}
        return str(self.success_url.format(**values))


class _FormView(_ObjectView[M], _Form[M]):
    """Mix-in: a ModelForm of ours, with errors of its save."""

    _form: ModelForm[M] | None = None

    def get_form_class(self) -> type[ModelForm[M]]:
        """Return form_class, or a ModelForm of *fields*."""
        if self.form_class is not None or self.fields is None:
            return super().get_form_class()
        model: Any = self.model or self._find_model()
        return modelform_factory(model, fields=self.fields)

    def get_form(self, form_class: Any = None) -> ModelForm[M]:
        """Return a form for the request."""
        self._form = super().get_form(form_class)
        return self._form

    def post(self, request: "HttpRequest", *args: Any, **kwargs: Any) -> "HttpResponse":
        """Save a valid form. Show it again if it is invalid or the save is refused."""
        try:
            return super().post(request, *args, **kwargs)
        except SAVE_ERRORS:
            # ModelForm.save() has added the error to the form.
            if self._form is None or not self._form.errors:
                raise
            return self.form_invalid(self._form)


class CreateView(_FormView[M], _Create):
    """Django's CreateView for a model of django_ormist."""


class UpdateView(_FormView[M], _Update):
    """Django's UpdateView for a model of django_ormist.

    Attributes that are not in the form are kept as others saved them.
    """


class DeleteView(_ObjectView[M], _Delete):
    """Django's DeleteView for a model of django_ormist."""


class DetailView(_ObjectView[M], _Detail):
    """Django's DetailView for a model of django_ormist."""


class ListView(_List[M], _Lists):
    """Django's ListView for a model of this package.

    queryset: a manager or a collection. It is copied for each request.
    """

    def get_queryset(self) -> Any:
        """Return the collection of the request, in the order of ``ordering``."""
        found = super().get_queryset()
        return found.all() if isinstance(found, Collection | Manager) else found
