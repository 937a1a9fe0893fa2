"""The sentences on limits of telemetry; see :mod:`seatrial.model.reasons`."""

from __future__ import annotations

__all__ = ["TELEMETRY", "TELEMETRY_PHRASES"]

TELEMETRY_PHRASES: dict[str, tuple[str, str]] = {
    # what
    "telemetry_mean": ("mean of {series}", "{series} 的平均值"),
    "telemetry_max": ("highest reading of {series}", "{series} 的最高讀數"),
    "telemetry_drift": ("rise of {series} over the judged time", "{series} 在評定時間內的升幅"),
    "telemetry_exhaustion": ("time until {series} reaches its limit", "{series} 到達其極限所需的時間"),
    # how
    "missing_no": ("none was due", "沒有到期的讀數"),
    "missing_unreachable": ("there was no connection", "無法連線"),
    "missing_timeout": ("no whole answer came in time", "未能及時收到完整的回應"),
    "missing_refused": ("the answer had another status than 200", "回應的狀態碼並非 200"),
    "missing_too_large": ("the answer was too long", "回應過長"),
    "missing_malformed": ("the answer could not be read", "無法讀取回應"),
    "missing_no_series": ("the answer had no such series", "回應中沒有該數列"),
    "missing_reset": ("the counter began anew each time", "計數器每次均重新開始"),
    "missing_no_process": ("there was no such process", "沒有該程序"),
    "missing_late": ("each reading came too late for the next", "每次讀取均耽誤了下一次"),
}

TELEMETRY: dict[str, tuple[str, str]] = {
    "telemetry.kept": (
        "The {what}{at} was {value} ({range}); the limit, {bound}, is kept.",
        "{what}{at}為 {value}（{range}）；要求為{bound}，符合。",
    ),
    "telemetry.broken": (
        "The {what}{at} was {value} ({range}); the limit, {bound}, is broken.",
        "{what}{at}為 {value}（{range}）；要求為{bound}，不符合。",
    ),
    "telemetry.no_samples": (
        "There is no reading for the {what}{at}, so nothing shows that the limit, {bound}, is kept.",
        "{what}{at}沒有任何讀數，因此不能證明符合要求（{bound}）。",
    ),
    "telemetry.hidden": (
        "Too few of the readings that were due for the {what}{at} are there ({read}; {least} at least are needed), so "
        "nothing shows that the limit, {bound}, is kept.",
        "{what}{at}的應有讀數欠缺過多（只有 {read} 個；最少須有 {least}），因此不能證明符合要求（{bound}）。",
    ),
    "telemetry.longer": (
        "The {what}{at} was {value} ({range}), which does not decide whether the limit, {bound}, is kept. A trial "
        "about {times} times as long would decide, if the service goes on as it did.",
        "{what}{at}為 {value}（{range}），不足以判斷是否符合要求（{bound}）。"
        "如該服務表現不變，把測試時間延長至約 {times} 倍便可定論。",
    ),
    "telemetry.close": (
        "The {what}{at} is {range}, which does not decide whether the limit, {bound}, is kept.",
        "{what}{at}{range}，不足以判斷是否符合要求（{bound}）。",
    ),
    "telemetry.too_short": (
        "The time is too short, or has too few readings, to tell the {what}{at}; whether the limit, {bound}, is kept "
        "is not decided.",
        "時間過短或讀數過少，無法得知{what}{at}；是否符合要求（{bound}）未有定論。",
    ),
    "telemetry.cut": (
        "Until its load was ended early, the {what}{at} was {range}; whether the limit, {bound}, would have been kept "
        "over the whole of it is not decided.",
        "在負載提早結束之前，{what}{at}為{range}；整段是否符合要求（{bound}）未有定論。",
    ),
    "telemetry.never": (
        "{series} does not rise even at the bound of what its readings allow, so it would never reach its limit; it is "
        "to last {bound}, and the limit is kept.",
        "即使按讀數所容許的上限，{series} 亦沒有上升，因此永遠不會到達其極限；要求為{bound}，符合。",
    ),
    "telemetry.lasts": (
        "If it goes on as it did, {series} reaches its limit after {lower} at the earliest; it is to last {bound}, and "
        "the limit is kept.",
        "如情況不變，{series} 最早於 {lower} 後到達其極限；要求為{bound}，符合。",
    ),
    "telemetry.exhausted": (
        "If it goes on as it did, {series} reaches its limit after {upper} at the latest; it is to last {bound}, and "
        "the limit is broken.",
        "如情況不變，{series} 最遲於 {upper} 後到達其極限；要求為{bound}，不符合。",
    ),
    "telemetry.may_exhaust": (
        "If it goes on as it did, {series} reaches its limit after {lower} at the earliest; whether it lasts {bound} "
        "is not decided. A longer trial would tell.",
        "如情況不變，{series} 最早於 {lower} 後到達其極限；能否符合要求（{bound}）未有定論。延長測試可得定論。",
    ),
    "validity.no_telemetry": (
        "There is a limit on {series}, and not one reading of it{at}: {how}.",
        "計劃對 {series} 設有要求，但{at}沒有任何讀數：{how}。",
    ),
    "validity.telemetry_unreadable": (
        "The readings of the service's own figures can't be read: {detail}.",
        "無法讀取該服務自身數據的讀數：{detail}。",
    ),
}
