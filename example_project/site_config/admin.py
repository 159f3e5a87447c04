"""Sessions in the admin."""

from django_ormist import admin as ormist_admin
from django_ormist.sessions import Session

ormist_admin.register(Session)(ormist_admin.SessionAdmin)
