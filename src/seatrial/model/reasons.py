"""Every sentence that a verdict can give as its reason, in English and Traditional Chinese.

The evidence holds codes and figures; the sentences are made here and nowhere else, so that both languages always
say the same. Placeholders are filled with figures already formatted for people, except those in ``PHRASE_PLACES``:
they hold the key of a phrase, which is put in the sentence's own language and filled from the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from seatrial.model.reasons_capacity import CAPACITY, CAPACITY_PHRASES
from seatrial.model.reasons_compare import COMPARISON, COMPARISON_PHRASES
from seatrial.model.reasons_evidence import EVIDENCE, GENERATOR, USERS
from seatrial.model.reasons_kinds import KINDS
from seatrial.model.reasons_telemetry import TELEMETRY, TELEMETRY_PHRASES

__all__ = ["PHRASES", "PHRASE_PLACES", "REASONS", "Language", "sentence"]

Language: TypeAlias = Literal["en", "zh-Hant"]

PHRASE_PLACES = frozenset({"what", "where", "at", "bound", "range", "how", "direction"})

PHRASES: dict[str, tuple[str, str]] = {
    # what
    "response_quantile": ("{percentile} response time", "{percentile} 響應時間"),
    "response_mean": ("mean response time", "平均響應時間"),
    "service_quantile": ("{percentile} service time", "{percentile} 服務時間"),
    "service_mean": ("mean service time", "平均服務時間"),
    "errors": ("error rate", "錯誤率"),
    "timeouts": ("rate of timeouts", "逾時率"),
    "refusals": ("rate of clear refusals", "明確拒絕率"),
    "http_errors": ("rate of HTTP errors", "HTTP 錯誤率"),
    "failed_checks": ("rate of failed checks", "檢查不符率"),
    "connection_errors": ("rate of connection errors", "連線錯誤率"),
    "goodput_rate": ("goodput", "有效吞吐量"),
    "goodput": ("goodput, as a share of offered load,", "有效吞吐量（佔所施負載的比例）"),
    "achieved": ("achieved load, as a share of offered load,", "實際送出的負載（佔所施負載的比例）"),
    # where
    "all_steps": ("", ""),
    "one_step": (" of step “{name}”", "（步驟「{name}」）"),
    "one_journey": (" of journey “{name}”", "（流程「{name}」）"),
    "all_steps_admitted": (" of admitted steps", "（獲受理的步驟）"),
    "one_step_admitted": (" of step “{name}” where admitted", "（獲受理的步驟「{name}」）"),
    "one_journey_admitted": (" of admitted steps of journey “{name}”", "（流程「{name}」獲受理的步驟）"),
    # at
    "whole_trial": ("", ""),
    "one_level": (" at {level}", "（負載為 {level} 時）"),
    # bound
    "at_most": ("at most {limit}", "不高於 {limit}"),
    "at_least": ("at least {limit}", "不低於 {limit}"),
    # range
    "exact": ("{value}", "{value}"),
    "bounded": ("between {lower} and {upper}", "介乎 {lower} 與 {upper} 之間"),
    "open": ("at least {lower}, with no upper bound", "最少 {lower}，沒有上限"),
    "unknown": ("no bounds are known", "未知其範圍"),
    # direction
    "rising": ("rising", "上升"),
    "falling": ("falling", "下降"),
    # how
    "slow": ("it answered too slowly", "回應過慢"),
    "errors_answered": ("it answered {share} of requests with errors", "對 {share} 的請求回應錯誤"),
    "refused": (
        "it refused {share} of requests clearly, with status 429 or 503",
        "以狀態碼 429 或 503 明確拒絕了 {share} 的請求",
    ),
    "hung": ("{share} of requests hung without an answer", "{share} 的請求懸而未答"),
    "no_connection": ("connections failed or broke off for {share} of requests", "{share} 的請求連線失敗或中斷"),
    "piled_up": (
        "sessions piled up until {share} of requests could no longer be sent",
        "工作階段積壓，以致 {share} 的請求無法送出",
    ),
}

PHRASES |= TELEMETRY_PHRASES

PHRASES |= CAPACITY_PHRASES

PHRASES |= COMPARISON_PHRASES

_RUN: dict[str, tuple[str, str]] = {
    "run.no_trials": (
        "No trial was run, so nothing is known about the service.",
        "沒有進行任何測試，因此對該服務一無所知。",
    ),
    "run.passed": ("All trials passed: {names}.", "所有測試均通過：{names}。"),
    "run.failed": ("The service failed: {names}.", "該服務未能通過測試：{names}。"),
    "run.inconclusive": (
        "The evidence does not decide: {names}.",
        "證據不足以作出定論：{names}。",
    ),
    "run.invalid": (
        "The evidence can't be relied on: {names}. This says nothing about the service.",
        "證據不可靠：{names}。這並不表示該服務好壞。",
    ),
}

_OBJECTIVES: dict[str, tuple[str, str]] = {
    "objective.kept": (
        "The {what}{where}{at} was {value} ({range}); the limit, {bound}, is kept.",
        "{what}{where}{at}為 {value}（{range}）；要求為{bound}，符合。",
    ),
    "objective.broken": (
        "The {what}{where}{at} was {value} ({range}); the limit, {bound}, is broken.",
        "{what}{where}{at}為 {value}（{range}）；要求為{bound}，不符合。",
    ),
    "objective.broken_hidden": (
        "The {what}{where}{at} was {lower} at least, for many requests had no answer; the limit, {bound}, is broken.",
        "由於許多請求沒有得到回應，{what}{where}{at}最少為 {lower}；要求為{bound}，不符合。",
    ),
    "objective.no_samples": (
        "There is no record of the {what}{where}{at}, so nothing shows that the limit, {bound}, is kept.",
        "沒有{what}{where}{at}的記錄，因此不能證明符合要求（{bound}）。",
    ),
    "objective.hidden": (
        "The {what}{where}{at} was {lower} at least; requests without an answer hide whether the limit, {bound}, is "
        "kept, and a longer trial would not show it.",
        "{what}{where}{at}最少為 {lower}；沒有得到回應的請求令人無法得知是否符合要求（{bound}），延長測試亦無補於事。",
    ),
    "objective.longer": (
        "The {what}{where}{at} was {value} ({range}), which does not decide whether the limit, {bound}, is kept. A "
        "trial about {times} times as long would decide, if the service goes on as it did.",
        "{what}{where}{at}為 {value}（{range}），不足以判斷是否符合要求（{bound}）。"
        "如該服務表現不變，把測試時間延長至約 {times} 倍便可定論。",
    ),
    "objective.longer_hidden": (
        "The {what}{where}{at} was {lower} at least, and requests without an answer hide the rest, which does not "
        "decide whether the limit, {bound}, is kept. A trial about {times} times as long would decide, if the service "
        "goes on as it did.",
        "{what}{where}{at}最少為 {lower}；其餘因請求沒有得到回應而無法得知，不足以判斷是否符合要求（{bound}）。"
        "如該服務表現不變，把測試時間延長至約 {times} 倍便可定論。",
    ),
    "objective.close": (
        "The {what}{where}{at} was {value} ({range}), too close to the limit, {bound}, for any trial of practical "
        "length to decide.",
        "{what}{where}{at}為 {value}（{range}），與要求（{bound}）過於接近，測試時間再長亦難有定論。",
    ),
}

_OBJECTIVES |= {
    "objective.windows_kept": (
        "Of all windows of {length} the worst began {after} into the judged time: in it the {what}{where}{at} was "
        "{range}. The limit, {bound}, is kept in every one.",
        "在所有長 {length} 的時段中，最差者始於評定時間的 {after}：其間{what}{where}{at}為 {range}。"
        "每個時段的要求為{bound}，全部符合。",
    ),
    "objective.windows_broken": (
        "Of all windows of {length} the worst began {after} into the judged time: in it the {what}{where}{at} was "
        "{range}. The limit, {bound} in every one, is broken.",
        "在所有長 {length} 的時段中，最差者始於評定時間的 {after}：其間{what}{where}{at}為 {range}。"
        "每個時段的要求為{bound}，不符合。",
    ),
    "objective.windows_hidden": (
        "Of all windows of {length} the worst began {after} into the judged time: in it the {what}{where}{at} was "
        "{range}. Requests without an answer hide whether the limit, {bound}, is kept in every one, and a longer trial "
        "would not show it.",
        "在所有長 {length} 的時段中，最差者始於評定時間的 {after}：其間{what}{where}{at}為 {range}。"
        "沒有得到回應的請求令人無法得知是否每個時段均符合要求（{bound}），延長測試亦無補於事。",
    ),
    "objective.windows_thin": (
        "Some window of {length} held too few records to show the {what}{where}{at}, or none fitted into the judged "
        "time, so nothing shows that the limit, {bound}, is kept in every one.",
        "有長 {length} 的時段記錄太少，不足以顯示{what}{where}{at}，或評定時間容不下任何一個這樣的時段，"
        "因此不能證明每個時段均符合要求（{bound}）。",
    ),
    "objective.windows_cut": (
        "The load was ended early, so whether the limit on the {what}{where}{at}, {bound}, would have been kept in "
        "every window of {length} is not decided.",
        "負載提早結束，因此{what}{where}{at}的要求（{bound}）在每個長 {length} 的時段是否均能符合，未有定論。",
    ),
    "objective.hopeless": (
        "Even if all that was still to come had been perfect, the {what}{where}{at} would have been {range} over the "
        "whole of it; the limit, {bound}, is broken.",
        "即使其後一切完美，整段的{what}{where}{at}仍會是{range}；要求為{bound}，不符合。",
    ),
    "objective.cut": (
        "Until its load was ended early, the {what}{where}{at} was {range}; whether the limit, {bound}, would have "
        "been kept over the whole of it is not decided.",
        "在負載提早結束之前，{what}{where}{at}為{range}；整段是否符合要求（{bound}）未有定論。",
    ),
    "service.cut": (
        "The load of {level} was ended after {measured} of {planned}, because a limit could no longer be kept.",
        "由於已有要求無法符合，{level} 的負載在 {planned} 中的 {measured} 後提早結束。",
    ),
}

_STRESS: dict[str, tuple[str, str]] = {
    "capacity.kept": (
        "Every level up to {lower} held; the capacity asked for is at least {limit}.",
        "直至 {lower} 的每一級負載均能承受；所要求的容量為不低於 {limit}。",
    ),
    "capacity.broken": (
        "The service broke at {upper}; the capacity asked for is at least {limit}.",
        "該服務在 {upper} 時崩潰；所要求的容量為不低於 {limit}。",
    ),
    "capacity.longer": (
        "At {level} the service was shown neither to hold nor to break, so a capacity of at least {limit} is not "
        "decided. Holding each level about {times} times as long would decide.",
        "在 {level} 時，未能證明該服務能否承受，因此未能斷定容量是否不低於 {limit}。"
        "把每級負載的維持時間延長至約 {times} 倍便可定論。",
    ),
    "capacity.undecided": (
        "At {level} the service was shown neither to hold nor to break, so a capacity of at least {limit} is not "
        "decided; holding it longer would not help.",
        "在 {level} 時，未能證明該服務能否承受，因此未能斷定容量是否不低於 {limit}；延長維持時間亦無補於事。",
    ),
    "capacity.between": (
        "Every level up to {lower} held and {upper} broke; the capacity asked for, at least {limit}, lies between. "
        "Offer it as a level of its own.",
        "直至 {lower} 的每一級負載均能承受，而在 {upper} 時崩潰；所要求的容量（不低於 {limit}）介乎兩者之間。"
        "請把它列為獨立一級。",
    ),
    "capacity.below": (
        "The first level, {upper}, broke, and the capacity asked for, at least {limit}, lies below it. Start lower.",
        "第一級負載 {upper} 已告崩潰，而所要求的容量（不低於 {limit}）低於該級。請從較低的負載開始。",
    ),
    "capacity.none": (
        "No level was finished, so nothing shows a capacity of at least {limit}.",
        "沒有完成任何一級負載，因此不能證明容量不低於 {limit}。",
    ),
    "capacity.not_reached": (
        "Every level up to {lower} held and none above it was offered; the capacity asked for is at least {limit}.",
        "直至 {lower} 的每一級負載均能承受，但沒有施加更高的負載；所要求的容量為不低於 {limit}。",
    ),
    "breakpoint.found": ("Breakpoint {level}: {how}.", "崩潰點為 {level}：{how}。"),
    "breakpoint.none": (
        "No level broke up to {level}: the breakpoint, if there is one, lies above what was offered.",
        "直至 {level} 的每一級負載均沒有崩潰：崩潰點（如有）高於所施的負載。",
    ),
    "service.nothing_ok": (
        "Not one step at {level} ended ok, so its response times are not those of a working service.",
        "負載為 {level} 時沒有任何步驟成功完成，因此響應時間不能代表正常運作的服務。",
    ),
    "service.unsent": (
        "{measured} of steps at {level} could not be sent (limit {limit}) because the service was slow: up to "
        "{sessions} of {cap} permitted sessions were in progress, and requests had waited {wait} on average. The "
        "generator was healthy.",
        "由於該服務緩慢，負載為 {level} 時有 {measured} 的步驟未能送出（上限為 {limit}）："
        "同時進行的工作階段多達 {sessions} 個（准許 {cap} 個），請求平均等候了 {wait}。負載產生器狀況正常。",
    ),
}

_FINDINGS: dict[str, tuple[str, str]] = {
    "load.closed": (
        "Users ({users} in all) wait for the service: the load they offer falls when it slows. The figures are of "
        "those who got through, and no confirmation can rest on them.",
        "這 {users} 名用戶會等候該服務：服務變慢時，所施加的負載隨之下降。"
        "所得數字只反映已獲服務者，不足以作為確認的依據。",
    ),
    "service.retried": (
        "At {level} people gave up waiting and tried again {count} times, {share} of steps: the service met {requests} "
        "requests/s in place of {steps} ({times} ×).",
        "負載為 {level} 時，有人放棄等候並重試共 {count} 次，相當於步驟的 {share}："
        "該服務每秒收到 {requests} 個請求，而非 {steps} 個（{times} 倍）。",
    ),
    "load.warm_up": (
        "The first {length} of the {judged} that were judged are still a warm-up (by MSER-5): the mean response time "
        "was {before} until then, {after} after it. Both are judged together, as the plan says; a longer warm-up in "
        "the plan would leave the first part out.",
        "在所評定的 {judged} 中，首 {length} 仍屬熱身（按 MSER-5 規則）："
        "平均響應時間在此之前為 {before}，其後為 {after}。"
        "兩者按計劃一併評定；如在計劃中延長熱身時間，首段便不會計算在內。",
    ),
    "objective.kept_from_send": (
        "Counted from the actual send, as many tools count, the {what}{where}{at} would have been {sent} in place of "
        "{value}, and the limit, {bound}, would have seemed kept.",
        "若如許多工具般由實際送出時刻起計，{what}{where}{at}會是 {sent} 而非 {value}，看似符合要求（{bound}）。",
    ),
    "objective.broken_from_send": (
        "Counted from the actual send, over the steps that were sent, the {what}{where}{at} would have been {sent} in "
        "place of {value}, and the limit, {bound}, would have seemed broken.",
        "若由實際送出時刻起計，並只計算已送出的步驟，{what}{where}{at}會是 {sent} 而非 {value}，"
        "看似不符合要求（{bound}）。",
    ),
    "steps.sent_late": (
        "Steps at {level} waited before they were sent: p99 was {response} from the intended start and {sent} from the "
        "actual send ({times} ×). A tool that counts from the send would have shown the smaller figure.",
        "負載為 {level} 時，步驟在送出前曾經等候：由預定開始時刻起計的 p99 為 {response}，"
        "由實際送出時刻起計則為 {sent}（前者為後者的 {times} 倍）。由送出時刻起計的工具只會顯示較小的數字。",
    ),
    "steps.never_taken": (
        "No judged session came to these steps, so nothing is known of them: {names}.",
        "沒有任何可供判斷的工作階段到達以下步驟，因此對其一無所知：{names}。",
    ),
}

REASONS: dict[str, tuple[str, str]] = {
    **_RUN,
    **_OBJECTIVES,
    **_STRESS,
    **CAPACITY,
    **_FINDINGS,
    **USERS,
    **EVIDENCE,
    **GENERATOR,
    **TELEMETRY,
    **KINDS,
    **COMPARISON,
}


def sentence(code: str, params: Mapping[str, str], language: Language) -> str:
    """Return the sentence for a reason.

    Raises:
        KeyError: an unknown code or phrase, or a figure that the sentence needs is missing. A reason nobody can read
            is a defect, so there is no fallback.
    """
    which = 0 if language == "en" else 1
    filled = {
        key: PHRASES[value][which].format_map(dict(params)) if key in PHRASE_PLACES else value
        for key, value in params.items()
    }
    return REASONS[code][which].format_map(filled)
