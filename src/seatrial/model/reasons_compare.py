"""Sentences on this round against the last."""

from __future__ import annotations

__all__ = ["COMPARISON", "COMPARISON_PHRASES"]

COMPARISON_PHRASES: dict[str, tuple[str, str]] = {
    "step_of_journey": (" of step “{step}” in journey “{journey}”", "（流程「{journey}」的步驟「{step}」）"),
}

COMPARISON: dict[str, tuple[str, str]] = {
    "comparison.slower": (
        "Worse: in trial “{trial}” the {what}{where}{at} went from {old} to {new}, {change} ({range}; p {p}).",
        "變差：測試「{trial}」的{what}{where}{at}由 {old} 變為 {new}，即 {change}（{range}；p {p}）。",
    ),
    "comparison.more_errors": (
        "Worse: in trial “{trial}” the {what}{where}{at} rose from {old} to {new}, by {change} percentage points "
        "({range}; p {p}).",
        "變差：測試「{trial}」的{what}{where}{at}由 {old} 升至 {new}，即 {change} 個百分點（{range}；p {p}）。",
    ),
    "comparison.capacity_fell": (
        "Worse: the capacity in trial “{trial}” fell from {old} to {new}; the two intervals do not touch.",
        "變差：測試「{trial}」的容量由 {old} 降至 {new}；兩個區間並無重疊。",
    ),
    "comparison.recovery_slower": (
        "Worse: in trial “{trial}” the time to normal in period “{name}” rose from {old} to {new}; the two intervals "
        "do not touch.",
        "變差：測試「{trial}」於時段「{name}」回復正常的時間由 {old} 增至 {new}；兩個區間並無重疊。",
    ),
    "comparison.drift_grew": (
        "Worse: in trial “{trial}” the drift of “{name}” rose from {old} to {new}; the two intervals do not touch.",
        "變差：測試「{trial}」中「{name}」的漂移由 {old} 增至 {new}；兩個區間並無重疊。",
    ),
    "comparison.longer": (
        "Longer trials would exclude or show a worsening in {count} figures, all of them at about {times} times the "
        "length: in trial “{trial}” the {what}{where}{at} went from {old} to {new} ({range}, where {limit} matters).",
        "有 {count} 項數字須延長測試方可排除或證實變差，延長至約 {times} 倍便可全部定論：測試「{trial}」的"
        "{what}{where}{at}由 {old} 變為 {new}（{range}，而 {limit} 即屬有意義）。",
    ),
    "comparison.open": (
        "No practical length would exclude or show a worsening in {count} figures: in trial “{trial}” the "
        "{what}{where}{at} went from {old} to {new} ({range}, where {limit} matters).",
        "有 {count} 項數字延長測試至任何實際可行的長度亦無法排除或證實變差：測試「{trial}」的"
        "{what}{where}{at}由 {old} 變為 {new}（{range}，而 {limit} 即屬有意義）。",
    ),
    "comparison.unbounded": (
        "A worsening has no upper bound in {count} figures, because records are too few or requests without an answer "
        "hide it: in trial “{trial}” the {what}{where}{at} went from {old} to {new} ({range}, where {limit} matters).",
        "有 {count} 項數字的變差沒有上限，因為記錄過少，或有未獲回應的請求：測試「{trial}」的"
        "{what}{where}{at}由 {old} 變為 {new}（{range}，而 {limit} 即屬有意義）。",
    ),
    "comparison.not_worse": (
        "Nothing got worse: in each of {count} figures a worsening of {limit} or of {points} percentage points is "
        "excluded.",
        "沒有任何變差：{count} 項數字均可排除 {limit} 或 {points} 個百分點的變差。",
    ),
    "comparison.only_old": (
        "The old round shows what the new one has no records of, so it can't be said not to be worse: {names}.",
        "上一輪顯示而今輪並無記錄的項目，無法斷言沒有變差：{names}。",
    ),
    "comparison.only_new": (
        "Only the new round has records of: {names}.",
        "只有今輪才有記錄的項目：{names}。",
    ),
    "comparison.left_out": (
        "Not compared, because the old round broke there or one of the searches did not offer it: {names}.",
        "未作比較（上一輪在該水平已崩潰，或其中一輪的搜尋沒有施加該負載）：{names}。",
    ),
    "comparison.other_plan": (
        "The two rounds were not asked the same; they differ in: {names}.",
        "兩輪測試的要求並不相同，差異在於：{names}。",
    ),
    "comparison.only_beside": (
        "No level that the old round held was offered again: only what stands side by side was compared, which "
        "excludes nothing.",
        "上一輪能維持的負載水平今輪均未再施加：只有並列的數字可供比較，未能排除任何變差。",
    ),
    "comparison.nothing_common": (
        "The two rounds have nothing in common that could be compared.",
        "兩輪測試沒有任何可供比較的共通之處。",
    ),
    "comparison.old_invalid": (
        "The old round is no basis: its evidence is INVALID ({names}).",
        "上一輪不能作為依據：其證據無效（{names}）。",
    ),
    "comparison.new_invalid": (
        "The new round is no basis: its evidence is INVALID ({names}).",
        "今輪不能作為依據：其證據無效（{names}）。",
    ),
    "comparison.old_unreadable": (
        "The old round is no basis: {detail}.",
        "上一輪不能作為依據：{detail}。",
    ),
    "comparison.new_unreadable": (
        "The new round is no basis: {detail}.",
        "今輪不能作為依據：{detail}。",
    ),
}
