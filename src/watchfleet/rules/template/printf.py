"""Go's `fmt.Sprintf`, with what it prints where a verb does not fit its argument."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from watchfleet.promql.format import format_short, quote
from watchfleet.rules.template.printing import display
from watchfleet.rules.template.values import Duration, go_type

MOST_PADDING: Final = 10_000
"""Width and precision; Go takes a million, which only attacks need."""
_VERB: Final = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\d+|\*)?(?:\.(?P<precision>\d+|\*)?(?P<dot>))?(?P<verb>.)?", re.DOTALL
)
_Verb = Callable[[Any, "_Spec"], str | None]


class _Spec:
    """One verb with its flags, width and precision."""

    __slots__ = ("flags", "precision", "verb", "width")

    def __init__(self, verb: str, flags: str, width: int | None, precision: int | None) -> None:
        self.verb, self.flags, self.width, self.precision = verb, flags, width, precision

    def pad(self, text: str, *, numeric: bool = False) -> str:
        """The text at its width."""
        if self.width is None:
            return text
        if "-" in self.flags:
            return text.ljust(self.width)
        if "0" in self.flags and numeric:
            sign = text[:1] if text[:1] in {"+", "-", " "} else ""
            return sign + text[len(sign) :].rjust(self.width - len(sign), "0")
        return text.rjust(self.width)


def sprintf(form: str, values: Sequence[Any]) -> str:
    """The text of a format string and its values."""
    pieces, at, arguments = [], 0, _Arguments(values)
    while (start := form.find("%", at)) >= 0:
        pieces.append(form[at:start])
        found = _VERB.match(form, start)
        if found is None:  # pragma: no cover - the pattern matches wherever there is a percent sign
            break
        pieces.append(_verb(found, arguments))
        at = found.end()
    pieces.append(form[at:])
    if rest := arguments.rest():
        extra = ", ".join(
            f"{go_type(value)}={display(value)}" if value is not None else "<nil>" for value in rest
        )
        pieces.append(f"%!(EXTRA {extra})")
    return "".join(pieces)


class _Arguments:
    def __init__(self, values: Sequence[Any]) -> None:
        self._values, self._at = values, 0

    def rest(self) -> Sequence[Any]:
        return self._values[self._at :]

    def take(self) -> tuple[bool, Any]:
        """Whether there is another one, and which."""
        if self._at >= len(self._values):
            return False, None
        self._at += 1
        return True, self._values[self._at - 1]


def _verb(found: re.Match[str], arguments: _Arguments) -> str:
    flags, complaint = found["flags"], ""
    width, flags, wrong = _size(found["width"], flags, arguments, "WIDTH")
    complaint += wrong
    precision = None
    if found["dot"] is not None:
        precision, _, wrong = _size(found["precision"] or "0", "", arguments, "PREC")
        complaint += wrong
    verb = found["verb"]
    if verb is None:
        return f"{complaint}%!(NOVERB)"
    if verb == "%":
        return f"{complaint}%"
    there, value = arguments.take()
    if not there:
        return f"{complaint}%!{verb}(MISSING)"
    return complaint + _formatted(value, _Spec(verb, flags, width, precision))


def _size(written: str | None, flags: str, arguments: _Arguments, name: str) -> tuple[int | None, str, str]:
    """A width or a precision, the flags with it, and what to print if it is none."""
    if written is None:
        return None, flags, ""
    number: Any = int(written) if written != "*" and len(written) < 9 else None
    if written == "*":
        _, number = arguments.take()
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) > MOST_PADDING:
        return None, flags, f"%!(BAD{name})"
    return abs(number), flags + ("-" if number < 0 else ""), ""


def _formatted(value: Any, spec: _Spec) -> str:
    if spec.verb == "T":
        return spec.pad(go_type(value))
    if value is None:
        return spec.pad("<nil>") if spec.verb == "v" else f"%!{spec.verb}(<nil>)"
    if spec.verb == "v" and not isinstance(value, int | float):
        return spec.pad(_cut(display(value), spec) if isinstance(value, str) else display(value))
    if isinstance(value, Duration) and spec.verb == "d":
        value = value.nanoseconds
    if isinstance(value, dict | list) and spec.verb not in {"p", "t"}:
        return _inside(value, spec)
    shown = next((_VERBS[kind](value, spec) for kind in _VERBS if isinstance(value, kind)), None)
    if shown is None and spec.verb in "sqxX" and not isinstance(value, bool | int | float):
        shown = _text(display(value), spec)
    return f"%!{spec.verb}({go_type(value)}={display(value)})" if shown is None else shown


def _inside(value: Any, spec: _Spec) -> str:
    """A collection: the verb is for what it holds."""
    if isinstance(value, list):
        return f"[{' '.join(_formatted(item, spec) for item in value)}]"
    pairs = (f"{_formatted(key, spec)}:{_formatted(value[key], spec)}" for key in sorted(value))
    return f"map[{' '.join(pairs)}]"


def _truth(value: Any, spec: _Spec) -> str | None:
    return spec.pad(display(value)) if spec.verb in "tv" else None


def _whole(value: Any, spec: _Spec) -> str | None:
    if spec.verb in _BASES:
        return _digits(value, spec, _BASES[spec.verb])
    match spec.verb:
        case "v":
            return _digits(value, spec, "d")
        case "c":
            return spec.pad(_rune(value))
        case "q":
            return spec.pad(f"'{quote(_rune(value))[1:-1]}'")
        case "U":
            return spec.pad(f"U+{value:04X}")
    return None


def _rune(value: int) -> str:
    return chr(value) if 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000 else "\ufffd"


def _digits(value: int, spec: _Spec, base: str) -> str:
    prefix = _PREFIXES.get(spec.verb, "") if "#" in spec.flags or spec.verb == "O" else ""
    digits = format(abs(value), base)
    if spec.precision is not None:
        digits = "" if spec.precision == value == 0 else digits.rjust(spec.precision, "0")
    sign = "-" if value < 0 else "+" if "+" in spec.flags else " " if " " in spec.flags else ""
    return spec.pad(sign + prefix + digits, numeric=spec.precision is None)


def _number(value: Any, spec: _Spec) -> str | None:
    verb = "g" if spec.verb == "v" else spec.verb
    if verb not in "eEfFgG":
        return None
    if value != value or abs(value) == float("inf"):  # noqa: PLR0124 - NaN alone differs from itself
        return spec.pad(_special(value, spec))
    text = _decimal(value, "f" if verb == "F" else verb, spec)
    if text[0] != "-":
        text = ("+" if "+" in spec.flags else " " if " " in spec.flags else "") + text
    return spec.pad(text, numeric=True)


def _special(value: float, spec: _Spec) -> str:
    if value != value:  # noqa: PLR0124 - likewise
        return "+NaN" if "+" in spec.flags else " NaN" if " " in spec.flags else "NaN"
    return format_short(value)


def _decimal(value: float, verb: str, spec: _Spec) -> str:
    if spec.precision is None and verb in "gG":
        return format_short(value) if verb == "g" else format_short(value).upper()
    alternate, precision = "#" in spec.flags, 6 if spec.precision is None else spec.precision
    if verb == "f":  # exact to the last digit, which a float's own format is not; it knows no `#`
        text = f"{Decimal(value):.{precision}f}"
        return f"{text}." if alternate and not precision else text
    return format(value, f"{'#' if alternate else ''}.{precision}{verb}")


def _text(value: Any, spec: _Spec) -> str | None:
    match spec.verb:
        case "s" | "v":
            return spec.pad(_cut(value, spec))
        case "q":
            text = _cut(value, spec)
            raw = "#" in spec.flags and "`" not in text and text.isprintable()
            return spec.pad(f"`{text}`" if raw else quote(text))
        case "x" | "X":
            data = value.encode("utf-8", "surrogateescape")[: spec.precision]
            text = data.hex(" ") if " " in spec.flags else data.hex()
            return spec.pad(text.upper() if spec.verb == "X" else text)
    return None


def _cut(text: str, spec: _Spec) -> str:
    return text if spec.precision is None else text[: spec.precision]


_BASES: Final = {"d": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES: Final = {"b": "0b", "o": "0", "O": "0o", "x": "0x", "X": "0X"}
_VERBS: Final[Mapping[type, _Verb]] = {bool: _truth, int: _whole, float: _number, str: _text}
"""What the verbs do by type; `bool` stands before `int`, of which it is one in Python."""
