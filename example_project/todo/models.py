"""To-do items."""

import django_ormist as ormist


class TodoItem(ormist.Verbose, ormist.TaggedModel):
    """One item, found by its tags. Attribute: text."""

    def __str__(self):
        return self.text
