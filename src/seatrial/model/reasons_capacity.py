"""Sentences on the capacity that a search found, on its knee, and on how a level broke."""

from __future__ import annotations

__all__ = ["CAPACITY", "CAPACITY_PHRASES"]

CAPACITY_PHRASES: dict[str, tuple[str, str]] = {
    "capacity_at_most": ("at most {upper}", "不高於 {upper}"),
    "nothing_shown": ("without any bound", "沒有上下限"),
}

CAPACITY: dict[str, tuple[str, str]] = {
    "capacity.search_kept": (
        "The capacity is {value} ({range}); at least {limit} is asked for, and shown.",
        "容量為 {value}（{range}）；所要求的容量為不低於 {limit}，已獲證明。",
    ),
    "capacity.search_broken": (
        "The capacity is {value} ({range}); at least {limit} is asked for, which the service does not carry.",
        "容量為 {value}（{range}）；所要求的容量為不低於 {limit}，該服務未能承受。",
    ),
    "capacity.search_longer": (
        "The capacity is {value} ({range}), which does not decide whether it is at least {limit}. Holding each level "
        "about {times} times as long would decide.",
        "容量為 {value}（{range}），不足以判斷是否不低於 {limit}。把每級負載的維持時間延長至約 {times} 倍便可定論。",
    ),
    "capacity.search_open": (
        "The capacity is {value} ({range}), which does not decide whether it is at least {limit}.",
        "容量為 {value}（{range}），不足以判斷是否不低於 {limit}。",
    ),
    "capacity.contradiction": (
        "The levels contradict each other on whether the capacity is at least {limit}: it is {value} ({range}) by all "
        "of them together. The service did not behave the same throughout.",
        "就容量是否不低於 {limit}，各級負載的結果互相矛盾：綜合各級為 {value}（{range}）。該服務的表現前後不一。",
    ),
    "breakpoint.collapsed": (
        "At {level} goodput collapsed: {value}/s in place of {best_value}/s at {best}, although more was offered.",
        "負載為 {level} 時有效吞吐量崩塌：由 {best} 時的每秒 {best_value} 降至每秒 {value}，儘管所施負載更高。",
    ),
    "capacity.knee": (
        "The knee is at {level}: {value}/s in {mean} on average. Beyond it waiting grows faster than what gets done.",
        "拐點在 {level}：每秒 {value}，平均 {mean}。超過此點後，等候時間的增長快於所完成的工作。",
    ),
}
