"""Arguments that only those who have a key can read.

Encrypted by Fernet (of the package `cryptography`, loaded at first use) with the first key of the
setting `encryption_keys`, decrypted with any of them. Within the token the arguments stand beside
the id and the class of their job, so that one job's token is worth nothing in another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jobkit import settings
from jobkit.errors import ConfigurationError, DeserializationError
from jobkit.payload import Payload, dumps

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["ENCRYPTED", "check_ready", "decrypted", "encrypted"]

ENCRYPTED: Final = "[encrypted]"
"""What stands where encrypted arguments would be shown."""

_MAKE_ONE: Final = (
    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


def encrypted(job_class: str, job_id: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """The token of a job's arguments, given as JSON values.

    Raises ConfigurationError when there is no key, or the package is not installed.
    """
    text = dumps([job_id, job_class, args, kwargs])
    return _cipher_for(job_class).encrypt(text.encode()).decode()


def decrypted(payload: Payload) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of an encrypted job, as JSON values.

    Raises DeserializationError for a token that no key fits, or that is another job's;
    ConfigurationError as `encrypted` does.
    """
    cipher = _cipher_for(payload.job_class)
    from cryptography.fernet import InvalidToken  # noqa: PLC0415 - an extra, and here by now

    try:
        text = cipher.decrypt((payload.encrypted or "").encode())
    except (InvalidToken, UnicodeError) as error:
        raise DeserializationError(
            f"{payload.job_class}: the arguments cannot be decrypted: they were changed, or none "
            f"of the keys of {settings.where('encryption_keys')} fits. A key must stay in the "
            "list, behind the newer ones, until the jobs it encrypted are done"
        ) from error
    job_id, job_class, args, kwargs = json.loads(text)
    if (job_id, job_class) != (payload.id, payload.job_class):
        raise DeserializationError(
            f"{payload.job_class}: the encrypted arguments belong to another job and were put "
            "into this one: somebody changed the store"
        )
    return args, kwargs


def check_ready(job_class: str) -> None:
    """Raise ConfigurationError when arguments cannot be encrypted here, with the remedy."""
    _cipher_for(job_class)


def _cipher_for(job_class: str) -> MultiFernet:
    keys = settings.current().encryption_keys
    if not keys:
        raise ConfigurationError(
            f"{job_class} encrypts its arguments and there is no key: give encryption_keys "
            f"(JOBKIT_ENCRYPTION_KEYS), the newest first; one is made by: {_MAKE_ONE}"
        )
    return _cipher(keys)


@lru_cache(maxsize=1)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    try:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigurationError(
            'encrypted arguments need the package cryptography: pip install "jobkit[crypto]"'
        ) from error
    return MultiFernet([Fernet(key) for key in keys])
