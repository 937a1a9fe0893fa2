"""Sentences of single kinds of trial: drift of a soak, recovery from a disturbance, efficiency of added units."""

from __future__ import annotations

__all__ = ["KINDS"]

KINDS: dict[str, tuple[str, str]] = {
    "drift.kept": (
        "The {what}{where} changed by {value} over the judged time ({range}). The limit on its rise, {bound}, is kept.",
        "{what}{where}在評定時間內的變化為 {value}（{range}）。其升幅要求為{bound}，符合。",
    ),
    "drift.broken": (
        "The {what}{where} changed by {value} over the judged time ({range}). The limit on its rise, {bound}, is "
        "broken.",
        "{what}{where}在評定時間內的變化為 {value}（{range}）。其升幅要求為{bound}，不符合。",
    ),
    "drift.broken_hidden": (
        "The {what}{where} rose over the judged time by {range}; requests without an answer hide the figure. The limit "
        "on its rise, {bound}, is broken.",
        "{what}{where}在評定時間內的升幅為{range}；沒有得到回應的請求令人無法得知確數。其升幅要求為{bound}，不符合。",
    ),
    "drift.longer": (
        "The {what}{where} changed by {value} over the judged time ({range}): too near to the limit on its rise, "
        "{bound}, to decide. A trial about {times} times as long would decide.",
        "{what}{where}在評定時間內的變化為 {value}（{range}）：與升幅要求（{bound}）太接近，未能判定。"
        "測試時間約延長至 {times} 倍即可判定。",
    ),
    "drift.few": (
        "The trial is too short to show how the {what}{where} drifts. A trial about {times} times as long might.",
        "測試時間太短，未能顯示{what}{where}的漂移。延長至約 {times} 倍或可顯示。",
    ),
    "drift.close": (
        "The {what}{where} changed by {value} over the judged time ({range}): too near to the limit on its rise, "
        "{bound}, for a trial of practical length to decide.",
        "{what}{where}在評定時間內的變化為 {value}（{range}）：與升幅要求（{bound}）太接近，"
        "實際可行的測試時間均未能判定。",
    ),
    "drift.hidden": (
        "Requests without an answer hide how the {what}{where} drifts.",
        "沒有得到回應的請求令人無法得知{what}{where}的漂移。",
    ),
    "drift.no_samples": (
        "Nothing was recorded of the {what}{where}, so its drift is not known.",
        "沒有{what}{where}的記錄，因此無法得知其漂移。",
    ),
    "drift.found": (
        "The {what}{where} is {direction} significantly (p {p}).",
        "{what}{where}顯著{direction}（p {p}）。",
    ),
    "recovery.kept": (
        "After “{name}” the service kept its limits again within {value} ({range}), and went on keeping them. The "
        "limit, {bound}, is kept.",
        "「{name}」之後，服務於 {value} 內（{range}）恢復符合各項要求並持續符合。恢復時間要求為{bound}，符合。",
    ),
    "recovery.broken": (
        "After “{name}” the service kept its limits again only after {value} ({range}). The limit, {bound}, is broken.",
        "「{name}」之後，服務要到 {value}（{range}）才恢復符合各項要求。恢復時間要求為{bound}，不符合。",
    ),
    "recovery.slow": (
        "After “{name}” the service did not keep its limits again while it was watched, {watched}, though it was "
        "getting better. The limit is {bound}.",
        "「{name}」之後，在 {watched} 的觀察期內服務雖有好轉，但未能恢復符合各項要求。恢復時間要求為{bound}。",
    ),
    "recovery.metastable": (
        "After “{name}” the service stayed down: the disturbance was gone and the load was what it had carried before, "
        "yet it broke its limits to the end of the {watched} for which it was watched, and did not get better. That is "
        "a metastable state, which it does not leave by itself.",
        "「{name}」之後，服務一直未能恢復：干擾已經消除，負載亦回到先前能夠承受的水平，但在 {watched} 的觀察期內"
        "始終不符合要求，亦沒有好轉。這是亞穩定狀態，服務不能自行脫離。",
    ),
    "recovery.too_late": (
        "After “{name}” the service did not keep its limits again within the {watched} for which it was watched. The "
        "limit, {bound}, is broken.",
        "「{name}」之後，在 {watched} 的觀察期內服務未能恢復符合各項要求。恢復時間要求為{bound}，不符合。",
    ),
    "recovery.undecided": (
        "After “{name}” the data do not show when the service kept its limits again ({range}). The limit is {bound}.",
        "「{name}」之後，數據未能顯示服務何時恢復符合各項要求（{range}）。恢復時間要求為{bound}。",
    ),
    "recovery.no_baseline": (
        "The limits were not kept before “{name}” either, so nothing shows what recovering would be.",
        "「{name}」之前各項要求亦未符合，因此無法得知何謂恢復。",
    ),
    "recovery.state": (
        "After “{name}” the service was back to normal within {value}.",
        "「{name}」之後，服務於 {value} 內恢復正常。",
    ),
    "recovery.not_seen": (
        "After “{name}” nothing shows that the service was back to normal within the {watched} for which it was "
        "watched.",
        "「{name}」之後，在 {watched} 的觀察期內，未見服務恢復正常。",
    ),
    "recovery.hysteresis": (
        "After it had recovered from “{name}”, p95 of response time was {value} times what it had been before, at the "
        "same load ({range}).",
        "服務從「{name}」恢復後，在相同負載下響應時間的 p95 為先前的 {value} 倍（{range}）。",
    ),
    "size.capacity": (
        "At size {units} the service held {value} for each unit ({range}).",
        "服務有 {units} 個單位時，每個單位可承受 {value}（{range}）。",
    ),
    "size.none": (
        "At size {units} the lowest level offered, {level} for each unit, did not hold.",
        "服務有 {units} 個單位時，最低的負載（每個單位 {level}）亦未能承受。",
    ),
    "size.undecided": (
        "With {units} units the data do not decide whether the lowest level offered, {level} for each, held.",
        "服務有 {units} 個單位時，數據未能判定其可否承受最低的負載（每個單位 {level}）。",
    ),
    "efficiency.kept": (
        "At size {units} each unit brings {value} of what it brings at {base} ({range}). The limit, {bound}, is kept.",
        "有 {units} 個單位時，每個單位的效能為有 {base} 個時的 {value}（{range}）。要求為{bound}，符合。",
    ),
    "efficiency.broken": (
        "At size {units} each unit brings {value} of what it brings at {base} ({range}). The limit, {bound}, "
        "is broken.",
        "有 {units} 個單位時，每個單位的效能為有 {base} 個時的 {value}（{range}）。要求為{bound}，不符合。",
    ),
    "efficiency.broken_below": (
        "At size {units} not even the lowest level offered is kept for each unit: it brings less than {value} of "
        "what it brings at {base}. The limit, {bound}, is broken.",
        "有 {units} 個單位時，每個單位連所施的最低負載亦未能承受：其效能低於有 {base} 個時的 {value}。"
        "要求為{bound}，不符合。",
    ),
    "efficiency.undecided": (
        "At size {units} the levels offered do not decide how much each unit brings against {base} "
        "({range}). The limit is "
        "{bound}. Smaller steps, or a higher top level, would tell.",
        "有 {units} 個單位時，所施的負載水平未能判定每個單位相對於有 {base} 個時的效能（{range}）。要求為{bound}。"
        "採用較小的步幅或較高的最高水平即可判定。",
    ),
}
