"""The arguments of a stored job, as its class takes them and as they may be shown."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from jobkit import encryption
from jobkit.arguments import REDACTED, Arguments
from jobkit.errors import DeserializationError, PayloadError, UnknownJob
from jobkit.jobs import registry
from jobkit.jobs.plan import plan_of
from jobkit.payload import Payload

__all__ = ["Upgraded", "is_private", "shown_arguments", "stored_arguments"]

Upgraded: TypeAlias = tuple[Sequence[Any], Mapping[str, Any]]
"""Positional and keyword arguments, JSON values."""


def stored_arguments(job: Any) -> Upgraded:
    """The JSON values that the job's payload carries: decrypted, and in the class's version.

    Raises DeserializationError, ConfigurationError, and what the class's `upgrade` raises.
    """
    payload: Payload = job._payload
    encrypted = "encrypted" in payload.fields
    stored = encryption.decrypted(payload) if encrypted else (payload.args, payload.kwargs)
    if job._plan.options.version == 1 or payload.version >= job._plan.options.version:
        return stored
    # A copy: what was parsed is the payload's, whatever the hook does to it.
    args, kwargs = copy.deepcopy(stored)
    return _upgraded(type(job), job.upgrade(args, kwargs, payload.version))


def shown_arguments(payload: Payload) -> tuple[list[Any], dict[str, Any]]:
    """The JSON values as they may be shown to anybody: what is private is replaced.

    What is private the payload says itself, and its class too if that is known here. Raises
    PayloadError when the payload is malformed.
    """
    if payload.encrypted is not None:
        return [encryption.ENCRYPTED], {}
    args, kwargs = payload.args, payload.kwargs
    known = _arguments_of_class(payload)
    by_class = known.hidden(len(args), kwargs) if known is not None else []
    if not by_class and "redact" not in payload.fields:
        return [*args], {**kwargs}  # nearly all
    private = [_positions(payload.redact), _positions(by_class)]
    if None in private:
        return [REDACTED] * len(args), dict.fromkeys(kwargs, REDACTED)
    hidden = frozenset[int | str]().union(*(each for each in private if each))
    return (
        [REDACTED if at in hidden else value for at, value in enumerate(args)],
        {name: REDACTED if name in hidden else value for name, value in kwargs.items()},
    )


def is_private(payload: Payload) -> bool:
    """True if some of the arguments must not be shown, as far as can be told."""
    try:
        if {"redact", "encrypted"} & payload.fields.keys():
            return True
        known = _arguments_of_class(payload)
    except PayloadError:  # cut off, perhaps: what it says has to be looked for in the text
        return any(f'"{mark}"' in payload.text for mark in ("redact", "encrypted"))
    return known is not None and known.private


def _arguments_of_class(payload: Payload) -> Arguments | None:
    """How the payload's class takes its arguments; None for one that is not here."""
    try:
        return plan_of(registry.lookup(payload.job_class)).arguments
    except UnknownJob:
        return None


def _positions(private: object) -> frozenset[int | str] | None:
    """Positions and names; None for all."""
    if private is True:
        return None
    return frozenset(private) if isinstance(private, (list, frozenset)) else frozenset()


def _upgraded(job_class: type, answer: Any) -> Upgraded:
    match answer:
        case (list() | tuple() as args, Mapping() as kwargs):
            return args, kwargs
        case _:
            raise DeserializationError(
                f"{job_class.__name__}.upgrade() must return (args, kwargs), a list and a dict, "
                f"not {type(answer).__name__}"
            )
