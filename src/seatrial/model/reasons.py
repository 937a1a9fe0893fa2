"""Every sentence that a verdict can give as its reason, in English and Traditional Chinese.

The evidence holds codes and figures; the sentences are made here and nowhere else, so that both languages always
say the same. Placeholders are filled with figures already formatted for people, except those in ``PHRASE_PLACES``:
they hold the key of a phrase, which is put in the sentence's own language and filled from the same figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

__all__ = ["PHRASES", "PHRASE_PLACES", "REASONS", "Language", "sentence"]

Language: TypeAlias = Literal["en", "zh-Hant"]

PHRASE_PLACES = frozenset({"what", "where", "at", "bound", "range", "how"})

PHRASES: dict[str, tuple[str, str]] = {
    # what
    "response_quantile": ("{percentile} response time", "{percentile} 響應時間"),
    "response_mean": ("mean response time", "平均響應時間"),
    "service_quantile": ("{percentile} service time", "{percentile} 服務時間"),
    "service_mean": ("mean service time", "平均服務時間"),
    "errors": ("error rate", "錯誤率"),
    "goodput": ("goodput, as a share of offered load,", "有效吞吐量（佔所施負載的比例）"),
    "achieved": ("achieved load, as a share of offered load,", "實際送出的負載（佔所施負載的比例）"),
    # where
    "all_steps": ("", ""),
    "one_step": (" of step “{name}”", "（步驟「{name}」）"),
    "one_journey": (" of journey “{name}”", "（流程「{name}」）"),
    # at
    "whole_trial": ("", ""),
    "one_level": (" at {level}", "（負載為 {level} 時）"),
    # bound
    "at_most": ("at most {limit}", "不高於 {limit}"),
    "at_least": ("at least {limit}", "不低於 {limit}"),
    # range
    "bounded": ("between {lower} and {upper}", "介乎 {lower} 與 {upper} 之間"),
    "open": ("at least {lower}, with no upper bound", "最少 {lower}，沒有上限"),
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
    "objective.close": (
        "The {what}{where}{at} was {value} ({range}), too close to the limit, {bound}, for any trial of practical "
        "length to decide.",
        "{what}{where}{at}為 {value}（{range}），與要求（{bound}）過於接近，測試時間再長亦難有定論。",
    ),
}

_OBJECTIVES |= {
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

_EVIDENCE: dict[str, tuple[str, str]] = {
    "validity.no_evidence": ("The run holds no evidence of this trial.", "是次運行沒有這項測試的證據。"),
    "validity.other_evidence": (
        "Trial {trial} of the evidence is not in the plan, or not in its place.",
        "證據中的第 {trial} 項測試不在計劃之內，或次序不符。",
    ),
    "validity.not_started": ("The trial was never started.", "測試從未開始。"),
    "validity.interrupted": ("The trial was interrupted: {detail}.", "測試被中斷：{detail}。"),
    "validity.worker_lost": ("A worker of the generator was lost: {detail}.", "負載產生器失去一個工作程序：{detail}。"),
    "validity.recording_failed": ("Records could not be written: {detail}.", "記錄未能寫入：{detail}。"),
    "validity.target_failed": ("The target could not be used: {detail}.", "目標服務未能使用：{detail}。"),
    "validity.target_stopped": (
        "The service's owner stopped the trial: {detail}.",
        "服務擁有人停止了測試：{detail}。",
    ),
    "validity.set_up_failed": (
        "The set-up before the trial failed, so nothing was tried: {detail}.",
        "測試前的準備步驟失敗，因此沒有進行測試：{detail}。",
    ),
    "validity.not_hopeless": (
        "Stage {level} was ended early, but its records do not show that a limit could no longer be kept.",
        "階段 {level} 提早結束，但其記錄未能證明有要求已無法符合。",
    ),
    "validity.ending_unknown": (
        "The journal stops before the trial ended: the run was killed.",
        "日誌在測試結束前中斷：運行被強行終止。",
    ),
    "validity.no_workers": ("The journal names no worker of the generator.", "日誌沒有列出負載產生器的工作程序。"),
    "validity.stage_unknown": (
        "The journal names a stage {level}, which the plan does not have.",
        "日誌列出階段 {level}，但計劃並沒有該階段。",
    ),
    "validity.no_stage_finished": ("No stage of the trial was finished.", "測試沒有完成任何階段。"),
    "validity.stage_unfinished": ("Stage {level} was not finished.", "階段 {level} 未完成。"),
    "validity.no_records": ("No finished stage has a single record.", "已完成的階段中一項記錄也沒有。"),
    "validity.too_few": (
        "There are {measured} judged records; at least {limit} are needed.",
        "只有 {measured} 項可供判斷的記錄，最少需要 {limit} 項。",
    ),
    "validity.records_unreadable": ("The records can't be read: {detail}.", "記錄無法讀取：{detail}。"),
    "validity.health_unreadable": (
        "The generator's health rows can't be read: {detail}.",
        "負載產生器的狀況記錄無法讀取：{detail}。",
    ),
    "validity.stray_records": (
        "{measured} records belong to a stage that the journal does not know as begun.",
        "{measured} 項記錄屬於日誌中不曾開始的階段。",
    ),
    "validity.sessions_missing": (
        "{measured} of {scheduled} scheduled sessions of stage {level} are missing from the records.",
        "階段 {level} 編定的 {scheduled} 個工作階段中，有 {measured} 個不在記錄之內。",
    ),
    "validity.sessions_extra": (
        "{measured} records of stage {level} belong to sessions that were never scheduled ({scheduled} were).",
        "階段 {level} 有 {measured} 項記錄屬於從未編定的工作階段（共編定 {scheduled} 個）。",
    ),
    "validity.sessions_miscounted": (
        "The workers counted {measured} sessions in stage {level}; {scheduled} were scheduled.",
        "各工作程序在階段 {level} 數得 {measured} 個工作階段，但編定了 {scheduled} 個。",
    ),
    "validity.records_twice": (
        "{measured} records of stage {level} stand twice for the same session and step.",
        "階段 {level} 有 {measured} 項記錄的工作階段與步驟重複。",
    ),
    "validity.steps_missing": (
        "{measured} sessions of stage {level} lack a step that they must have taken.",
        "階段 {level} 有 {measured} 個工作階段缺少必經的步驟。",
    ),
    "validity.wrong_journey": (
        "{measured} records of stage {level} are of another journey or step than was scheduled.",
        "階段 {level} 有 {measured} 項記錄的流程或步驟與編定的不符。",
    ),
    "validity.times_disagree": (
        "The journal's times of stage {level} are {measured} away from those of its records; the limit is {limit}.",
        "日誌所載階段 {level} 的時間與其記錄相差 {measured}；上限為 {limit}。",
    ),
    "validity.journey_not_taken": (
        "No judged session took journey “{name}”, so nothing is known of it: give it more weight, or more time.",
        "沒有任何可供判斷的工作階段經過流程「{name}」，因此對它一無所知：請增加其比重，或延長測試。",
    ),
    "validity.schedule_slipped": (
        "Intended starts in stage {level} differ from the schedule by up to {measured}; the limit is {limit}.",
        "階段 {level} 的預定開始時間與時間表相差多達 {measured}；上限為 {limit}。",
    ),
    "validity.decisions": (
        "The decisions in the journal ({recorded}) are not those that the records lead to ({replayed}).",
        "日誌中的決定（{recorded}）與根據記錄得出的決定（{replayed}）不符。",
    ),
}

_GENERATOR: dict[str, tuple[str, str]] = {
    "validity.health_missing": (
        "There are no health rows of worker {worker} in stage {level}.",
        "沒有工作程序 {worker} 在階段 {level} 的狀況記錄。",
    ),
    "validity.health_gap": (
        "The health rows of worker {worker} in stage {level} have a gap of {measured}; the limit is {limit}.",
        "工作程序 {worker} 在階段 {level} 的狀況記錄有 {measured} 的空檔；上限為 {limit}。",
    ),
    "validity.health_stranger": (
        "There are health rows of worker {worker}, but only {workers} were started.",
        "有工作程序 {worker} 的狀況記錄，但只啟動了 {workers} 個工作程序。",
    ),
    "validity.cpu": (
        "Worker {worker} of the generator used {measured} of its core over ten seconds; the limit is {limit}.",
        "負載產生器的工作程序 {worker} 在十秒內使用了其核心的 {measured}；上限為 {limit}。",
    ),
    "validity.steal": (
        "The hypervisor took {measured} of a core of the generator's machine at {level}; the limit is {limit}.",
        "負載為 {level} 時，虛擬機管理程式佔用了負載產生器所在機器其中一個核心的 {measured}；上限為 {limit}。",
    ),
    "validity.files": (
        "Worker {worker} of the generator had {measured} files open and may have {limit}: from {share} on they count "
        "as used up.",
        "負載產生器的工作程序 {worker} 開啟了 {measured} 個檔案，上限為 {limit} 個：達 {share} 即視為用盡。",
    ),
    "validity.files_refused": (
        "{measured} connections of the generator failed because it could not open one more file.",
        "由於負載產生器無法再開啟檔案，有 {measured} 條連線失敗。",
    ),
    "validity.ports": (
        "The generator held {measured} connections at once and its machine has local ports for {limit}: from {share} "
        "on they count as used up.",
        "負載產生器同時持有 {measured} 條連線，而其機器的本地埠只足夠 {limit} 條：達 {share} 即視為用盡。",
    ),
    "validity.ports_refused": (
        "{measured} connections of the generator failed because its machine had no local port left.",
        "由於負載產生器所在機器沒有剩餘的本地埠，有 {measured} 條連線失敗。",
    ),
    "generator.clock_stepped": (
        "The generator's wall clock was set during the trial, by up to {measured} ({count} times). Times are measured "
        "by another clock and stand; dates in the evidence may be wrong by as much.",
        "測試期間，負載產生器的時鐘曾被調校 {count} 次，幅度最大為 {measured}。"
        "所有時間均以另一時鐘量度，不受影響；但證據內的日期時間可能有同等誤差。",
    ),
    "validity.send_lag": (
        "The generator sent late: p99 of send lag at {level} was {measured}; the limit is {limit}.",
        "負載產生器送出過遲：負載為 {level} 時，送出延遲的 p99 為 {measured}；上限為 {limit}。",
    ),
    "validity.littles_law": (
        "The generator contradicts itself at {level}: its health rows show {measured} sessions in progress on average, "
        "its records {recorded} at the same moments ({expected} by arrival rate times time in session); they may "
        "differ by {limit}.",
        "負載為 {level} 時，負載產生器自相矛盾：其狀況記錄顯示平均有 {measured} 個工作階段進行中，"
        "而其記錄在相同時刻顯示 {recorded} 個（按到達率乘以工作階段時間計為 {expected} 個）；兩者可相差 {limit}。",
    ),
    "generator.proven": (
        "The generator was proven at {times} × the load of {level}: this machine offered {proven_sessions} sessions/s "
        "and {proven_steps} requests/s within its own rules, and the trial asked for {sessions} and {steps}.",
        "負載產生器經證實可施加 {level} 負載的 {times} 倍：本機在其自身規則內曾施加每秒 {proven_sessions} 個工作階段及 "
        "{proven_steps} 個請求，而測試所需為每秒 {sessions} 個及 {steps} 個。",
    ),
    "validity.calibration_low": (
        "The generator was not proven at the load of {level}: this machine offered {proven_sessions} sessions/s and "
        "{proven_steps} requests/s within its own rules ({times} ×), and the trial asked for {sessions} and {steps}.",
        "負載產生器未經證實可施加 {level} 的負載：本機在其自身規則內曾施加每秒 {proven_sessions} 個工作階段及 "
        "{proven_steps} 個請求（{times} 倍），而測試所需為每秒 {sessions} 個及 {steps} 個。",
    ),
    "validity.calibration_unreadable": (
        "The calibration that the run cites can't be read (at “{part}”).",
        "測試所引用的校準記錄無法讀取（在「{part}」）。",
    ),
    "validity.calibration_other": (
        "The calibration is not of this generator: its “{name}” is {measured}, and that of the run {recorded}.",
        "校準記錄並非屬於這個負載產生器：其「{name}」為 {measured}，而測試時為 {recorded}。",
    ),
    "validity.calibration_rules": (
        "The calibration kept looser rules for the generator than the policy has.",
        "校準時負載產生器所守的規則較政策寬鬆。",
    ),
    "validity.calibration_lacks": (
        "The calibration has no case with connections as the plan has them (“{connections}”).",
        "校準記錄沒有與計劃相同連線方式（「{connections}」）的個案。",
    ),
    "validity.unsent": (
        "The generator did not send {measured} of steps at {level} (limit {limit}), and the service alone does not "
        "explain it.",
        "負載為 {level} 時，負載產生器沒有送出 {measured} 的步驟（上限為 {limit}），而這不能單以該服務的表現解釋。",
    ),
}

REASONS: dict[str, tuple[str, str]] = {**_RUN, **_OBJECTIVES, **_STRESS, **_EVIDENCE, **_GENERATOR}


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
