"""Django's model forms, formsets and choice fields for models of django_ormist."""

from .choices import ModelChoiceField, ModelMultipleChoiceField
from .formsets import BaseModelFormSet, modelformset_factory
from .model_form import ModelForm, modelform_factory

__all__ = [
    "BaseModelFormSet",
    "ModelChoiceField",
    "ModelForm",
    "ModelMultipleChoiceField",
    "modelform_factory",
    "modelformset_factory",
]
