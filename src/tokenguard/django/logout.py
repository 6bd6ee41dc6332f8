"""The address at which issuers tell of logouts.

urlpatterns = [path("backchannel-logout", backchannel_logout), ...]
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tokenguard._backchannel import answer, check_guard
from tokenguard._forms import is_length_searchable
from tokenguard.django.conf import current
from tokenguard.django.decorators import public


@public
@csrf_exempt
@require_POST
def backchannel_logout(request: HttpRequest) -> HttpResponse:
    """The `backchannel_logout_uri` of a client, see `BackchannelLogout`; takes no access token.

    Raises `ConfigurationError` where no issuer of the guard has `Issuer.logout`.
    """
    guard = current().guard
    check_guard(guard)
    written = answer(guard, request.headers.get("Content-Type", ""), _read_body(request))
    headers = dict(written.headers)
    if written.body:
        return JsonResponse(written.body, status=written.status, headers=headers)
    return HttpResponse(status=written.status, headers=headers)


def _read_body(request: HttpRequest) -> bytes | None:
    if not is_length_searchable(request.headers.get("Content-Length", "")):
        return None
    try:
        return request.body
    except RawPostDataException:  # somebody has read the stream
        return None
