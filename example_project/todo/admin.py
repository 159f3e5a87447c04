"""To-do items in the admin."""

from datetime import timedelta

from django.contrib import admin

from django_ormist import admin as ormist_admin
from todo.models import TodoItem


@ormist_admin.register(TodoItem)
class TodoItemAdmin(ormist_admin.OrmistAdmin):
    """To-do items, whose texts are edited in the list."""

    list_display = ["id", "text", "tags", "expire"]
    list_editable = ["text"]
    list_filter = ["tags"]
    actions = ["keep_a_day"]

    @admin.action(description="Let them expire in a day", permissions=["change"])
    def keep_a_day(self, request, queryset):
        for item in queryset:
            item.set_expire(timedelta(days=1))
            item.save()
