"""An empty site: tests that need pages name their own URLs."""

urlpatterns: list[object] = []
