"""Every sentence that a verdict can give as its reason, in English and Traditional Chinese.

The evidence holds codes and figures; the sentences are made here and nowhere else, so that both languages always
say the same. Placeholders are filled with figures already formatted for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

__all__ = ["REASONS", "Language", "sentence"]

Language: TypeAlias = Literal["en", "zh-Hant"]

REASONS: dict[str, tuple[str, str]] = {
    "run.no_trials": (
        "No trial was run, so nothing is known about the service.",
        "沒有進行任何測試，因此對該服務一無所知。",
    ),
}


def sentence(code: str, params: Mapping[str, str], language: Language) -> str:
    """Return the sentence for a reason.

    Raises:
        KeyError: an unknown code, or a figure that the sentence needs is missing. A reason nobody can read is a
            defect, so there is no fallback.
    """
    english, chinese = REASONS[code]
    return (english if language == "en" else chinese).format_map(dict(params))
