"""Pages that show every part of the look with long texts of both languages, served on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib.messages import constants
from django.core.paginator import Paginator
from django.template.backends.django import DjangoTemplates
from django.test import RequestFactory
from django.utils import translation

import seatrial.portal
from seatrial.portal.cases.states import State
from seatrial.portal.project.middleware import content_security_policy

PORTAL = Path(seatrial.portal.__file__).parent
STYLESHEET = PORTAL / "static" / "portal" / "portal.css"
PAGES = ("every_part", "question", "a_letter")
LANGUAGES = ("en", "zh-hant")

_LONG_EN = "Electronic Licensing and Certification Platform for Importers, Carriers and Warehouse Operators (Phase 2)"
_LONG_ZH = "進出口商、承運人及倉庫營運者電子牌照及證明書綜合平台(第二階段)連同後備數據中心"
_AT = datetime(2026, 11, 24, 4, 5, tzinfo=UTC)
_DIGEST = "sha256:" + "0a1b2c3d4e5f6789" * 4

SAY: dict[str, dict[str, str]] = {
    "en": {
        "title": _LONG_EN,
        "lead": "The trial is arranged for 3 December. The dossier lacks six items, two of them overdue.",
        "cases": "Cases",
        "case": "Case",
        "system": "System",
        "state": "State",
        "peak": "Peak, requests/s",
        "caption": "Cases that open to the public in the next 90 days, the first to open first",
        "facts": "What is bound",
        "states": "States of a case",
        "dossier": "Readiness dossier",
        "numbers": "Response time by load level",
        "history": "History",
        "none": "No case is waiting for you",
        "what_next": "Register a system that your department will roll out, then bind its release and its forecast.",
        "register": "Register a system",
        "now": "What you may do now",
        "arrange": "Arrange the trial",
        "withdraw": "Withdraw the case",
        "department": "Department of Coastal Shipping and Inland Waterways",
        "contractor": "Harbour Lights Systems Integration (Far East) Limited",
        "reasons": "The contractor moved the opening by six weeks.\n\nThe forecast stays as it was bound.",
    },
    "zh-hant": {
        "title": _LONG_ZH,
        "lead": "測試已安排於十二月三日進行。準備就緒檔案尚欠六項,其中兩項已逾期。",
        "cases": "個案",
        "case": "個案",
        "system": "系統",
        "state": "狀態",
        "peak": "高峰負載(每秒請求數)",
        "caption": "未來九十日內向公眾開放的個案,按開放日期先後排列",
        "facts": "已綁定的資料",
        "states": "個案的狀態",
        "dossier": "準備就緒檔案",
        "numbers": "各負載級別的響應時間",
        "history": "審計記錄",
        "none": "沒有個案等候你處理",
        "what_next": "請登記貴部門將會推出的系統,然後綁定其版本及需求模型。",
        "register": "登記系統",
        "now": "你現在可以",
        "arrange": "安排測試",
        "withdraw": "撤回個案",
        "department": "沿岸航運及內河水道署",
        "contractor": "海港燈火系統整合(遠東)有限公司",
        "reasons": "承辦商把開放日期押後六個星期。\n\n需求模型維持不變。",
    },
}
_STATES_ZH = dict.fromkeys(State, "狀態名稱") | {
    State.CONFIRMED_WITH_CONDITIONS: "已確認,附帶條件",
    State.ROLLED_OUT_WITHOUT_CONFIRMATION: "未經正面確認而推出",
    State.VOIDED: "失效",
}


class EveryField(forms.Form):
    """One field of each kind, most of them filled in wrongly."""

    version = forms.IntegerField(widget=forms.HiddenInput, initial=3)
    name = forms.CharField(help_text="As in the contract. 與合約所載相同。")
    description = forms.CharField(widget=forms.Textarea, required=False)
    peak = forms.IntegerField(min_value=1)
    opens_on = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), help_text="2026-12-03")
    email = forms.EmailField()
    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "off"}), required=False)
    kind = forms.ChoiceField(choices=[("a", _LONG_EN), ("b", _LONG_ZH)])
    days = forms.MultipleChoiceField(choices=[("1", "Monday 星期一"), ("2", "Tuesday 星期二")], required=False)
    risk = forms.ChoiceField(
        choices=[("low", "Low 低"), ("high", f"High 高: {_LONG_EN}")],
        widget=forms.RadioSelect,
        help_text="What a failure would do to the public.",
    )
    tests = forms.MultipleChoiceField(
        choices=[("load", "Load test 負載測試"), ("stress", "Stress test 壓力測試")],
        widget=forms.CheckboxSelectMultiple,
    )
    manifest = forms.FileField(help_text="JSON, 2 MB at most. JSON 格式,不超過 2 MB。")
    agreed = forms.BooleanField(label=f"I declare 本人聲明: {_LONG_EN}", help_text="Read it first. 請先閱讀。")


class Filter(forms.Form):
    """A filter with an answer in it."""

    q = forms.CharField(required=False, label="Search 搜尋")
    state = forms.ChoiceField(
        choices=[("", "Any 任何"), ("ready", "Ready 準備就緒")], required=False, label="State 狀態"
    )


class Reasons(forms.Form):
    """What a decision asks for."""

    reasons = forms.CharField(widget=forms.Textarea, help_text="The department reads this. 部門會閱讀此欄。")


def _context(language: str) -> dict[str, Any]:
    say = SAY[language]
    chinese = language != "en"
    label = {s: (_STATES_ZH[s] if chinese else s.value.replace("_", " ").capitalize()) for s in State}
    nav = ("Cases", "Calendar of windows", "Testers", "Portfolio", "Audit trail")
    nav = ("個案", "測試時段日曆", "獨立第三方", "系統組合", "審計記錄") if chinese else nav
    person = type("P", (), {"is_authenticated": True, "__str__": lambda _: "陳大文" if chinese else "Ada Wong"})()
    rows = [
        {"reference": f"ST-{n:05d}", "system": say["title"] if n % 2 else say["department"], "state": s.value}
        | {"label": label[s], "peak": f"{n * 1250:,}"}
        for n, s in enumerate((State.READY, State.TESTING, State.CONFIRMED_WITH_CONDITIONS, State.REFUSED), 1)
    ]
    facts = [(say["system"], say["title"]), (say["department"], say["contractor"]), ("SHA-256", _DIGEST), ("–", None)]
    events = [
        SimpleNamespace(at=_AT, what=label[s], who=say["department"], reasons=r, tone=t)
        for s, r, t in (
            (State.RECOMMENDED, "", "good"),
            (State.ADVISED, say["reasons"], "warning"),
            (State.READY, "", ""),
        )
    ]
    wrong = {"version": "3", "name": "", "peak": "-4", "opens_on": "", "email": "ada", "kind": "z"}
    return {
        "say": say,
        "navigation": [SimpleNamespace(url="/", label=text, current=n == 0) for n, text in enumerate(nav)],
        "user": person,
        "messages": [
            _Message(say["lead"], constants.DEFAULT_TAGS[level])
            for level in (constants.SUCCESS, constants.ERROR, constants.WARNING, constants.INFO)
        ],
        "tabs": [{"url": "/", "label": text, "current": n == 1} for n, text in enumerate(nav)],
        "facts": facts,
        "short_facts": facts[:2],
        "states": [(s.value, label[s]) for s in State],
        "rows": rows,
        "page_obj": Paginator(range(500), 50).page(3),
        "numbers": {
            "head": [f"p{q} {say['peak']}" for q in (50, 90, 95, 99, 99.9)],
            "rows": [[f"{n * m:,} ms" for m in (31, 62, 125, 250, 999)] for n in (1, 2, 3)],
        },
        "events": events,
        "filter": Filter({"q": say["department"], "state": "ready"}),
        "form": EveryField(wrong, {}),
        "reasons": Reasons(),
        "consequences": [say["what_next"], say["lead"]],
        "warning": say["caption"],
        "paragraphs": [say["lead"], say["what_next"], say["caption"], say["reasons"]],
        "letter": {
            "issuer": say["department"],
            "reference": "ST-00042/2",
            "date": _AT,
            "to": [say["contractor"], say["department"]],
            "subject": say["title"],
            "signatures": [{"name": f"{person} {n}", "office": say["department"], "at": _AT} for n in (1, 2)],
            "enclosures": [say["numbers"], say["history"]],
            "verify_url": "https://seatrial.example/verify/" + _DIGEST[7:39],
            "qr_url": "/static/portal/mark.svg",
        },
    }


def rendered(page: str, language: str) -> str:
    """Return the HTML of a specimen page in a language."""
    engine = DjangoTemplates(
        {
            "NAME": "specimens",
            "DIRS": [PORTAL / "templates", Path(__file__).parent / "specimens"],
            "APP_DIRS": False,
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    )
    with translation.override(language):
        context = _context(language)
        return engine.get_template(f"{page}.html").render(context, RequestFactory().get(f"/{language}/{page}"))


class _Message(str):
    """What Django's messages look like to a template."""

    level_tag: str

    def __new__(cls, text: str, level_tag: str) -> _Message:
        made = super().__new__(cls, text)
        made.level_tag = level_tag
        return made


@contextmanager
def served() -> Iterator[str]:
    """Serve the specimens at ``/LANGUAGE/PAGE`` with the portal's own headers; yields the address."""
    from django.http import HttpResponse

    policy = content_security_policy(lambda _: HttpResponse())(RequestFactory().get("/"))["Content-Security-Policy"]
    pages = {f"/{language}/{page}": rendered(page, language) for language in LANGUAGES for page in PAGES}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = "text/html; charset=utf-8", pages.get(self.path, "").encode()
            if self.path.startswith("/static/portal/"):
                file = STYLESHEET.parent / Path(self.path).name
                kind, body = ("text/css" if file.suffix == ".css" else "image/svg+xml"), file.read_bytes()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
