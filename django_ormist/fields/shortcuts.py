"""field() and ref(), which declare an attribute in the body of a model."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from .field import Field
from .references import Reference
from .types import Validator

T = TypeVar("T")

if TYPE_CHECKING:

    @overload
    def field(
        *,
        default: T,
        verbose_name: Any = ...,
        help_text: Any = ...,
        choices: Any = ...,
        validators: Iterable[Validator] = ...,
        blank: bool | None = ...,
        editable: bool = ...,
    ) -> T: ...
    @overload
    def field(
        *,
        default_factory: Callable[[], T],
        verbose_name: Any = ...,
        help_text: Any = ...,
        choices: Any = ...,
        validators: Iterable[Validator] = ...,
        blank: bool | None = ...,
        editable: bool = ...,
    ) -> T: ...
    @overload
    def field(
        *,
        verbose_name: Any = ...,
        help_text: Any = ...,
        choices: Any = ...,
        validators: Iterable[Validator] = ...,
        blank: bool | None = ...,
        editable: bool = ...,
    ) -> Any: ...
    def field(**options: Any) -> Any:
        """Return a Field with these options, to assign to an annotated name."""

else:

    def field(**options: Any) -> Field:
        """Return a Field with these options, to assign to an annotated name.

        default or default_factory, verbose_name, help_text, choices, validators, blank,
        editable: see Field.
        """
        return Field(**options)


def ref(to: Any = None, **options: Any) -> Any:
    """Return a reference to a model, given as a class or a label.

    null, related_name, on_delete, and the options of field(): see Reference.
    """
    return Reference(to, **options)
