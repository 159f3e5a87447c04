"""No page: tests that ask for one name their own."""

urlpatterns: list[object] = []
