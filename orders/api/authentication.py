"""Who is asking, by an access token; and how the schema names that."""

from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import Token

# What Django and Python raise for a claim that can't be a user's key, or a time. A user key that is
# a UUID raises the last one.
MALFORMED = (ValueError, TypeError, OverflowError, ValidationError)


class TokenAuthentication(JWTAuthentication):
    """simplejwt's, but that a signed token with senseless claims is a 401 and no error 500."""

    def get_validated_token(self, raw_token: bytes) -> Token:
        try:
            return super().get_validated_token(raw_token)
        except MALFORMED as error:
            raise InvalidToken(gettext("The token's claims make no sense.")) from error

    def get_user(self, validated_token: Token) -> Any:
        try:
            return super().get_user(validated_token)
        except MALFORMED as error:
            raise InvalidToken(gettext("The token's claims make no sense.")) from error


class TokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]  # its metaclass has no types
    target_class = TokenAuthentication  # type: ignore[assignment]  # declared as text alone
