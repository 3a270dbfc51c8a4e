"""The error for a wrong argument, and the checks of arguments in public functions.

A `Refusal` is always about an argument that the caller passed. Its sentence has three parts, always in the same order:
what was expected, what came, and what to do now. `need` raises one if a condition does not hold. `checked` and
`Fitting` compare arguments and fields with their type hints. `running_shell` finds the notebook's shell.
`imported_when_used` lets a package name what its modules define, without importing them.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

SHOWN_CHARACTERS = 120  # the most that is shown of a value: a learner may paste a whole file by mistake


class InOneSentence(Exception):
    """An error that IPython shows as one sentence, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class Refusal(InOneSentence, ValueError):
    """An argument that cannot be used.

    Args:
        expected: what would have been right, as a noun phrase ("a port from 1 to 65535").
        came: the value that came; shown as its `repr`, shortened. `Words` are shown without quotes.
        do: what to do now, as a sentence without its full stop.
    """

    def __init__(self, expected: str, came: object, do: str) -> None:
        self.expected, self.came, self.do = expected, came, do
        super().__init__(f"Expected {expected}, but got {_shown(came)}. {do}.")


class ShownAsCard(Exception):
    """An error that a notebook shows as a card, with one line in place of its traceback.

    Attributes:
        shown: what the notebook displays above that line.
        line: where to look, in one sentence.
    """

    shown: object
    line: str

    def _render_traceback_(self) -> list[str]:
        """IPython shows this in place of a traceback."""
        return [self.line]


class Words(str):
    """A description of what came, which a `Refusal` shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def imported_when_used(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562): imports a name from its module when the name is first used.

    Args:
        package: the package's `__name__`.
        homes: name -> the module that defines it, relative to the package.
    """

    def getattr_of_package(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"{package} has no {name!r}; it has {', '.join(sorted(homes))}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return getattr_of_package


def need(condition: bool, expected: str, came: object, do: str) -> None:
    """Raise a `Refusal` unless `condition` holds."""
    if not condition:
        raise Refusal(expected, came, do)


def _shown(value: object) -> str:
    """`repr(value)`, shortened in the middle to at most `SHOWN_CHARACTERS` characters."""
    return without_middle(repr(value), SHOWN_CHARACTERS)


def without_middle(text: str, characters: int) -> str:
    """`text`, without its middle if it is longer than `characters`."""
    half = (characters - 5) // 2
    return text if len(text) <= characters else f"{text[:half]} ... {text[-half:]}"


# Checks of arguments and fields, so that a wrong one gives a `Refusal` and not an error inside midspan.
#
#     @checked
#     def play(implementation: Implementation, schedule: Schedule) -> History: ...
#
#     @dataclass(frozen=True, slots=True)
#     class Say(Fitting):
#         at_s: float
#
# The annotations define which values fit. Also the unit in a name counts: seconds (`_s`) and bytes (`_bytes`) are never
# negative. For a condition that no annotation can express (at least one client), the function calls `need`.


P = ParamSpec("P")
T = TypeVar("T")
Fits = Callable[[Any], bool]

NUMBERS = (float, int)
UNITS = ("_s", "_bytes")
WORDS = {str: "text (str)", bytes: "bytes", int: "a whole number", float: "a number", bool: "True or False"}


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Refuse arguments that do not fit the annotations of `function`. Its `*args` and `**kwargs` are not checked."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        in_order, by_name = _parameters(function)
        for (name, test), value in zip(in_order, args, strict=False):
            if not test.fits(value):
                raise test.refusal(name, value, function)
        for name, value in kwargs.items():
            if name in by_name and not by_name[name].fits(value):
                raise by_name[name].refusal(name, value, function)
        return function(*args, **kwargs)

    return call


class Fitting:
    """Base class of a dataclass: raises a `Refusal` if a field does not fit its annotation."""

    __slots__ = ()

    def __post_init__(self) -> None:
        made: Any = self.__class__
        for name, fits in _fields(made):
            if not fits(getattr(self, name)):
                raise _tests(made)[name].refusal(name, getattr(self, name), made)


class _Test(typing.NamedTuple):
    """A function that tells whether a value fits, and words for the values that fit."""

    fits: Fits
    words: str

    def refusal(self, name: str, value: object, of: Callable[..., Any]) -> Refusal:
        called = of.__qualname__.removesuffix(".__init__")
        return Refusal(f"{self.words} for `{name}` of {called}", value, f"help({called}) says what it takes")


@functools.cache
def _parameters(function: Callable[..., Any]) -> tuple[tuple[tuple[str, _Test], ...], dict[str, _Test]]:
    """Name and test of each positional parameter, and the tests of all parameters by name."""
    hints = _hints_of_parameters(function)
    kinds = {name: one.kind for name, one in inspect.signature(function).parameters.items()}
    in_order = tuple(n for n, kind in kinds.items() if kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = [*in_order, *(n for n, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY)]
    tests = {name: _for(name, hints.get(name, Any)) for name in named}
    return tuple((name, tests[name]) for name in in_order), tests


@functools.cache
def _fields(made: Any) -> tuple[tuple[str, Fits], ...]:
    """Name and test of each field that has a test. Cached, because a search makes thousands of schedules."""
    return tuple((name, test.fits) for name, test in _tests(made).items() if test.fits is not _anything)


def _hints_of_parameters(function: Callable[..., Any]) -> dict[str, Any]:
    """The type hints without that of the result, which a module may import for the type checker alone."""
    plain = inspect.unwrap(function)
    own = {name: hint for name, hint in plain.__annotations__.items() if name != "return"}
    return typing.get_type_hints(types.SimpleNamespace(__annotations__=own), globalns=plain.__globals__)


@functools.cache
def _tests(made: Any) -> dict[str, _Test]:
    hints = typing.get_type_hints(made)
    return {name: _for(name, hints[name]) for name in inspect.signature(made).parameters}


def _anything(_: Any) -> bool:
    return True


def _for(name: str, hint: Any) -> _Test:
    test = _test(hint)
    if not name.endswith(UNITS):
        return test
    if hint is float:
        return _Test(lambda value: isinstance(value, NUMBERS) and value >= 0, f"{test.words}, 0 or more,")
    return _Test(lambda value: test.fits(value) and (value is None or value >= 0), f"{test.words}, 0 or more,")


def _test(hint: Any) -> _Test:
    """The test of one annotation. One that cannot be tested at run time (type variable, protocol) always fits."""
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        tests = [_test(one) for one in inside]
        words = " or ".join(test.words for test in tests)
        if all(map(_isinstance_suffices, inside)):
            return _Test(lambda value: isinstance(value, inside), words)
        return _Test(lambda value: any(test.fits(value) for test in tests), words)
    if origin is typing.Literal:
        return _Test(inside.__contains__, f"one of {', '.join(inside)}")
    if origin is tuple and inside[1:] == (...,):
        each = _test(inside[0])
        return _Test(
            lambda value: isinstance(value, tuple) and all(map(each.fits, value)), f"a tuple, in it {each.words}"
        )
    if origin is type:
        kind = inside[0]
        return _Test(lambda value: isinstance(value, type) and issubclass(value, kind), f"a type of {kind.__name__}")
    return _plain(origin or hint)


def _plain(kind: Any) -> _Test:
    if kind is None or kind is type(None):
        return _Test(lambda value: value is None, "None")
    if kind is Callable or kind is typing.Callable:
        return _Test(callable, "a function")
    if not _isinstance_suffices(kind) and kind is not float:
        return _Test(_anything, "anything")
    if kind is float:
        return _Test(lambda value: isinstance(value, NUMBERS) and value == value, WORDS[float])  # NaN is no number
    return _Test(lambda value: isinstance(value, kind), WORDS.get(kind, f"{_article(kind.__name__)} {kind.__name__}"))


def _isinstance_suffices(kind: Any) -> bool:
    """Whether `isinstance` alone can test it. Not for float (an int fits, NaN does not), and not for a protocol."""
    return isinstance(kind, type) and kind not in (Any, object, float) and not getattr(kind, "_is_protocol", False)


def _article(word: str) -> str:
    return "an" if word[0] in "AEIOUaeiou" else "a"


# IPython is looked up and never imported, so that a plain program does not pay for the import.


def running_shell() -> Any:
    """The shell whose cells run in this process; None in a plain program."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
