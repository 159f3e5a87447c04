"""The ten lines that the first page shows. It runs them, too."""

import django_ormist as ormist


class Visit(ormist.TaggedModel):
    page: str
    is_signed_in: bool = False

    class Meta:
        index_attrs = ["page", "is_signed_in"]
        expire = 60  # seconds


def count_visit(page, **attrs):
    Visit.objects.create(page=page, **attrs)
    return Visit.objects.find(page=page).count()
