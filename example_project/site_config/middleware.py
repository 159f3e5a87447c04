"""The site's middleware: the record of queries, and a Content-Security-Policy."""

from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware

from django_ormist.connections.instrumentation import listening

from .queries import COOKIE, Recorder

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)


@sync_and_async_middleware
def record_queries(get_response):
    """Record the round trips of each request in ``request.recorder``.

    Their number and time are in the header ``Server-Timing`` too, which the tools of
    browsers show. A form that redirects hands its queries on in a cookie.
    """
    if iscoroutinefunction(get_response):

        async def middleware(request):
            request.recorder = Recorder()
            with listening(request.recorder):
                response = await get_response(request)
            return _report(request, response)
    else:

        def middleware(request):
            request.recorder = Recorder()
            with listening(request.recorder):
                response = get_response(request)
            return _report(request, response)

    return middleware


def _report(request, response):
    recorder = request.recorder
    response["Server-Timing"] = (
        f'ormist;desc="{recorder.round_trips} round trips";'
        f"dur={recorder.milliseconds:.3f}"
    )
    match = request.resolver_match
    is_form = request.method == "POST" and response.status_code == 302
    if is_form and match and match.app_name != "admin" and recorder.queries:
        response.set_cookie(
            COOKIE, recorder.pack(), max_age=60, httponly=True, samesite="Lax"
        )
    elif getattr(request, "shows_form_queries", False):
        response.delete_cookie(COOKIE, samesite="Lax")
    return response


@sync_and_async_middleware
def content_security_policy(get_response):
    """Allow scripts, styles and forms of this site alone, and nothing inline.

    Django's own debug pages need inline styles, so errors have no policy.
    """
    if iscoroutinefunction(get_response):

        async def middleware(request):
            return _protect(await get_response(request))
    else:

        def middleware(request):
            return _protect(get_response(request))

    return middleware


def _protect(response):
    if response.status_code not in (404, 500):
        response.setdefault("Content-Security-Policy", POLICY)
    return response
