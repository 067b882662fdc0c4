"""What is worked out once a class, so that a run need not: rules, callbacks, arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

from jobkit.arguments import Arguments
from jobkit.callbacks import Callbacks, collect
from jobkit.handlers import Policy, Rule, rescues_of
from jobkit.jobs.options import Options, check_retry
from jobkit.payload import Payload

__all__ = [
    "FUNCTION",
    "OWN_RULES",
    "Plan",
    "declare",
    "forget_plan",
    "function_of",
    "left_out",
    "plan_by_name",
    "plan_of",
    "policy_for",
]

OWN_RULES = "_own_rules"
"""The class attribute that holds what the decorators over one class declared, top-down."""

FUNCTION = "__jobkit_function__"
"""The attribute of a generated `perform` that holds the function it calls."""
_ABSTRACT = "__isabstractmethod__"
"""The attribute of a `perform` that stands for one to come: Python's own, as `abc` sets it."""
_PLAN = "_own_plan"
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Plan:
    """A job class, compiled."""

    name: str
    options: Options
    rules: tuple[Rule, ...]
    callbacks: Callbacks
    arguments: Arguments
    version: int
    """Of the arguments, as the class says; 0, less than any job's, when it has no `perform`."""


class _Refused(Arguments):
    """The arguments of a class that has no `perform`: none can be bound, be they right or wrong."""

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NoReturn:
        raise TypeError(
            f"{self._job} has no perform: define it there, or enqueue a subclass that defines it"
        )


def plan_of(cls: Any) -> Plan:
    """The class's plan, made at first use: decorators run after the class statement."""
    plan: Plan | None = cls.__dict__.get(_PLAN)
    if plan is None:
        plan = _compile(cls)
        setattr(cls, _PLAN, plan)
    return plan


def forget_plan(cls: Any) -> None:
    """Have the plan made anew, at the next use.

    Of a new class, too, so that it has the attribute: the first jobs of a worker compile it in
    several threads at once, and none may add to a class that another is reading through.
    """
    setattr(cls, _PLAN, None)


def declare(cls: Any, rule: Rule) -> None:
    """Put a rule above the others of this class."""
    setattr(cls, OWN_RULES, (rule, *cls.__dict__.get(OWN_RULES, ())))
    forget_plan(cls)


def left_out(perform: F) -> F:
    """Mark a `perform` that is none: jobs of a class that has no other cannot be made."""
    setattr(perform, _ABSTRACT, True)
    return perform


def plan_by_name(name: str, *, retry: bool | int = True) -> Plan:
    """The plan of a job that is known by its name only: no class, no options, JSON arguments."""
    options = Options(policy=Policy(retry=check_retry(retry)))
    arguments = Arguments(name, _anything, bound=False)
    return Plan(name, options, (), Callbacks(), arguments, options.version)


def _anything(*args: Any, **kwargs: Any) -> None:
    """The call shape of a job whose class is elsewhere."""


def function_of(cls: Any) -> Callable[..., Any]:
    """The code whose parameters the job's arguments are: `perform`, or the function behind it."""
    function: Callable[..., Any] = getattr(cls.perform, FUNCTION, cls.perform)
    return function


def _compile(cls: Any) -> Plan:
    options: Options = cls._options
    function = function_of(cls)
    # Asked once a class: neither an enqueue nor a run pays for it.
    is_bodiless = getattr(cls.perform, _ABSTRACT, False)
    arguments = (_Refused if is_bodiless else Arguments)(
        cls.__name__,
        function,
        localns=cls._localns,
        redact=options.redact,
        secret=options.encrypt or not options.log_arguments,
        bound=function is cls.perform and _takes_self(cls),
    )
    version = 0 if is_bodiless else options.version
    return Plan(cls._name, options, _rules(cls), collect(cls), arguments, version)


def _takes_self(cls: Any) -> bool:
    return not isinstance(inspect.getattr_static(cls, "perform"), (staticmethod, classmethod))


def policy_for(options: Options, payload: Payload) -> Policy:
    """The class's policy, with `retry` as the payload says it."""
    # Compared by identity of type, too: one retry is not True, none is not False.
    ours, theirs = options.policy.retry, payload.retry
    if "retry" not in payload.fields or (type(ours) is type(theirs) and ours == theirs):
        return options.policy
    return replace(options.policy, retry=theirs)


def _rules(cls: Any) -> tuple[Rule, ...]:
    """Top-down: a class's decorators, then its rescue_from methods, then the base class's."""
    return tuple(
        rule
        for base in cls.__mro__
        for rule in (*base.__dict__.get(OWN_RULES, ()), *rescues_of(vars(base)))
    )
