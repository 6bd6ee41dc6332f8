"""Django: every view needs an access token, unless it says otherwise.

    INSTALLED_APPS = [..., "tokenguard.django"]                     # system checks: `manage.py check`
    MIDDLEWARE = ["tokenguard.django.TokenGuardMiddleware", ...]    # before CsrfViewMiddleware
    TOKENGUARD = {"AUDIENCE": "https://api.example.com", "ISSUERS": ["https://auth.example.com"]}

    @requires("orders:read")
    def orders(request):
        return JsonResponse({"for": request.access_token.subject})

    @public
    def health(request): ...

    urlpatterns = [path("backchannel-logout", backchannel_logout), ...]    # where issuers tell of logouts

The settings are described in `conf`; Django REST framework's part is `tokenguard.django.drf`.
"""

from tokenguard.django import checks as _checks  # noqa: F401 - registers them
from tokenguard.django.decorators import public, requires
from tokenguard.django.logout import backchannel_logout
from tokenguard.django.middleware import TokenGuardMiddleware
from tokenguard.django.responses import ChallengeResponse

__all__ = ["ChallengeResponse", "TokenGuardMiddleware", "backchannel_logout", "public", "requires"]
