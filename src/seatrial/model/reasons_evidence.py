"""The sentences on evidence that can't be believed, and on the generator; see :mod:`seatrial.model.reasons`."""

from __future__ import annotations

__all__ = ["EVIDENCE", "GENERATOR", "USERS"]

USERS: dict[str, tuple[str, str]] = {
    "validity.iterations_missing": (
        "{measured} iterations of the users of stage {level} are missing from the records.",
        "階段 {level} 的用戶有 {measured} 次循環不在記錄之內。",
    ),
    "validity.iterations_miscounted": (
        "The workers counted {measured} iterations in stage {level}; {recorded} are recorded.",
        "各工作程序在階段 {level} 數得 {measured} 次循環，但記錄中有 {recorded} 次。",
    ),
    "validity.iterations_overlap": (
        "{measured} iterations of stage {level} began before their user's last one was over.",
        "階段 {level} 有 {measured} 次循環在同一用戶的上一次循環結束前已經開始。",
    ),
    "validity.iterations_late": (
        "{measured} iterations of stage {level} began after its end.",
        "階段 {level} 有 {measured} 次循環在階段結束後才開始。",
    ),
    "validity.users_stopped": (
        "Of the users of stage {level}, {measured} stopped before its end.",
        "階段 {level} 有 {measured} 名用戶在階段結束前停止。",
    ),
    "validity.users_pace": (
        "Users of stage {level} began up to {measured} away from when they were ready; the limit is {limit}.",
        "階段 {level} 的用戶開始循環的時間與其準備就緒的時間相差多達 {measured}；上限為 {limit}。",
    ),
    "validity.users_law": (
        "The records of stage {level} do not account for its users ({users}): {iterations_per_s} iterations/s of "
        "{mean_s} s with {rest_s} s of rest make {accounted}.",
        "階段 {level} 的記錄與其 {users} 名用戶不符：每秒 {iterations_per_s} 次循環，"
        "每次 {mean_s} 秒，另加休息 {rest_s} 秒，只相當於 {accounted} 名用戶。",
    ),
}

EVIDENCE: dict[str, tuple[str, str]] = {
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
    "validity.permission_ended": (
        "The permission to load ended the trial: {detail}.",
        "測試因負載許可的限制而停止：{detail}。",
    ),
    "validity.set_up_failed": (
        "The set-up before the trial failed, so nothing was tried: {detail}.",
        "測試前的準備步驟失敗，因此沒有進行測試：{detail}。",
    ),
    "validity.happening_failed": (
        "What was to be done to the service during the trial failed: {detail}.",
        "測試期間須對服務施行的操作失敗：{detail}。",
    ),
    "validity.not_done": (
        "At {level} the journal does not show that “{name}” was done to the service.",
        "在 {level}，記錄未能顯示曾對服務施行「{name}」。",
    ),
    "validity.done_late": (
        "“{name}” was done to the service {late} away from its moment; at most {limit} is allowed.",
        "對服務施行「{name}」的時間偏離預定時刻 {late}；最多容許 {limit}。",
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
    "validity.rounds": (
        "{measured} sessions of stage {level} have a step of a loop less or more often than the loop goes round.",
        "階段 {level} 有 {measured} 個工作階段，其重複步驟的次數少於或多於所定的重複次數。",
    ),
    "validity.attempts": (
        "{measured} of {recorded} attempts of stage {level} that were retried do not fit the steps they belong to.",
        "階段 {level} 有 {recorded} 次其後重試的嘗試，其中 {measured} 次與所屬步驟不符。",
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

GENERATOR: dict[str, tuple[str, str]] = {
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
        "Worker {worker} of the generator was busy for {measured} of ten seconds; the limit is {limit}.",
        "負載產生器的工作程序 {worker} 在十秒內有 {measured} 時間在工作；上限為 {limit}。",
    ),
    "validity.cpu_unmeasured": (
        "{measured} of {recorded} health rows of worker {worker} tell of steps that were sent and of no time in which "
        "the worker was busy: that was not measured.",
        "工作程序 {worker} 的 {recorded} 項狀況記錄中，有 {measured} 項顯示曾送出步驟，但工作時間為零，即未有量度。",
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
    "validity.clock_skew": (
        "The clocks of worker {worker} and worker {other} differ by {measured}; at most {limit} is allowed.",
        "工作程序 {worker} 與 {other} 的時鐘相差 {measured}；最多容許 {limit}。",
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
