"""What the model's validator found, in plain sentences: the one table that translates its errors.

pydantic names each kind of error; every kind that the models of plans and policies can raise has its sentence here.
A test reads plans that are wrong in every way it can make and finds no kind without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from seatrial.authoring.problems import split_message

__all__ = ["NOUNS", "UNMAPPED", "translate"]

Sentence: TypeAlias = tuple[str, str]
Context: TypeAlias = Mapping[str, Any]

#: What a type error asks for. Where a value may be one of several, the nouns are joined by "or".
NOUNS: dict[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "tuple_type": "a list",
}
UNMAPPED = "not what a document has here"


def _one_of(text: str) -> str:
    return text.replace("'", "")


_TABLE: dict[str, Callable[[Context], Sentence]] = {
    "string_too_short": lambda c: ("empty text", "Write something."),
    "string_too_long": lambda c: (f"text of more than {c['max_length']} characters", "Write a shorter one."),
    "string_pattern_mismatch": lambda c: (
        ("a name of other than letters, digits and _", "Write a name such as patron or slot_2: at most 64 characters.")
        if "A-Za-z" in str(c["pattern"])
        else ("text with a control character", "Take it out.")
    ),
    "finite_number": lambda c: ("not a finite number", "Write a number."),
    "int_parsing_size": lambda c: ("a number that is far too large", "Write a smaller one."),
    "greater_than": lambda c: (f"not above {c['gt']:g}", f"Write a value above {c['gt']:g}."),
    "greater_than_equal": lambda c: (f"below {c['ge']:g}", f"Write at least {c['ge']:g}."),
    "less_than": lambda c: (f"not below {c['lt']:g}", f"Write a value below {c['lt']:g}."),
    "less_than_equal": lambda c: (f"above {c['le']:g}", f"Write at most {c['le']:g}."),
    "literal_error": lambda c: ("not one of the possible values", f"Write {_one_of(str(c['expected']))}."),
    "union_tag_invalid": lambda c: (
        "not a kind of trial",
        f"Write kind: {_one_of(str(c['expected_tags'])).replace(', ', ' or ')}.",
    ),
    "union_tag_not_found": lambda c: ("a trial without its kind", "Write its kind, such as kind: load."),
    "too_short": lambda c: (
        ("an empty list or mapping", "Write at least one.")
        if c["min_length"] == 1
        else (f"a list of fewer than {c['min_length']}", f"Write at least {c['min_length']}.")
    ),
    "too_long": lambda c: (f"a list of more than {c['max_length']} values", f"Write {c['max_length']}."),
    "value_error": lambda c: split_message(str(c["error"])),
    "rule": lambda c: split_message(str(c["message"])),
}


def translate(kinds: tuple[str, ...], context: Context) -> Sentence:
    """Return (what is wrong, what to write instead) of one value.

    Args:
        kinds: The validator's names of its errors at this value; several where it may be one of several types.
        context: The figures of the first error.
    """
    nouns = list(dict.fromkeys(NOUNS[kind] for kind in kinds if kind in NOUNS))
    if nouns:
        wanted = " or ".join(nouns)
        quotes = " Put a number or a true or false that is meant as text in quotes." if "text" in nouns else ""
        return f"not {wanted}", f"Write {wanted}.{quotes}"
    sentence = _TABLE.get(kinds[0])
    return sentence(context) if sentence else (UNMAPPED, "Compare with the documentation of plans.")
