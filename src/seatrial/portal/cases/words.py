"""What people call states, actions and roles."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from seatrial.portal.cases.states import Action, Role, State

__all__ = ["ACTIONS", "ROLES", "STATES"]

_Text: TypeAlias = "str | Promise"

STATES: Mapping[State, _Text] = MappingProxyType(
    {
        State.DRAFT: _("Draft"),
        State.REGISTERED: _("Registered"),
        State.SCREENING: _("Screening"),
        State.NOT_SELECTED: _("Not selected"),
        State.SELECTED: _("Selected"),
        State.ARRANGING: _("Arranging the trial"),
        State.ARRANGED: _("Trial arranged"),
        State.DOSSIER_OPEN: _("Dossier open"),
        State.READY: _("Ready for trial"),
        State.TESTING: _("On trial"),
        State.ABORTED: _("Trial aborted"),
        State.SEALED: _("Evidence sealed"),
        State.UNDER_REVIEW: _("Under review"),
        State.ADVISED: _("Advised"),
        State.REMEDIATING: _("Being mended"),
        State.RECOMMENDED: _("Recommended"),
        State.CONFIRMED: _("Confirmed"),
        State.CONFIRMED_WITH_CONDITIONS: _("Confirmed with conditions"),
        State.REFUSED: _("Refused"),
        State.ROLLED_OUT: _("Rolled out"),
        State.ROLLED_OUT_WITHOUT_CONFIRMATION: _("Rolled out without confirmation"),
        State.EXPIRED: _("Expired"),
        State.SUSPENDED: _("Suspended"),
        State.VOIDED: _("Voided"),
        State.WITHDRAWN: _("Withdrawn"),
    }
)

ACTIONS: Mapping[Action, _Text] = MappingProxyType(
    {
        Action.REGISTER: _("Register"),
        Action.OPEN_SCREENING: _("Open screening"),
        Action.SELECT: _("Select"),
        Action.DO_NOT_SELECT: _("Do not select"),
        Action.SCREEN_AGAIN: _("Screen again"),
        Action.BEGIN_ARRANGING: _("Begin arranging"),
        Action.ARRANGE: _("Arrange"),
        Action.OPEN_DOSSIER: _("Open the dossier"),
        Action.COMPLETE_DOSSIER: _("Complete the dossier"),
        Action.START_TRIAL: _("Start the trial"),
        Action.ABORT_TRIAL: _("Abort the trial"),
        Action.RESUME: _("Resume"),
        Action.SEAL: _("Seal the evidence"),
        Action.BEGIN_REVIEW: _("Begin the review"),
        Action.ADVISE: _("Advise"),
        Action.REMEDIATE: _("Begin mending"),
        Action.RESUBMIT: _("Submit again"),
        Action.RECOMMEND: _("Recommend"),
        Action.CONFIRM: _("Confirm"),
        Action.CONFIRM_WITH_CONDITIONS: _("Confirm with conditions"),
        Action.REFUSE: _("Refuse"),
        Action.ROLL_OUT: _("Roll out"),
        Action.EXPIRE: _("Record the expiry"),
        Action.SUSPEND: _("Suspend"),
        Action.VOID: _("Void"),
        Action.RETURN_TO_TRIAL: _("Return to trial"),
        Action.WITHDRAW: _("Withdraw"),
        Action.RECORD_ROLLOUT: _("Record a rollout without confirmation"),
    }
)

ROLES: Mapping[Role, _Text] = MappingProxyType(
    {
        Role.PROJECT_OFFICER: _("Project officer"),
        Role.SYSTEM_OWNER: _("System owner"),
        Role.CONTINGENCY_OWNER: _("Contingency owner"),
        Role.CASE_OFFICER: _("Case officer"),
        Role.SELECTION_PANEL: _("Selection panel"),
        Role.TEST_ARRANGER: _("Test arranger"),
        Role.REVIEWER: _("Reviewer"),
        Role.ADVISER: _("Adviser"),
        Role.CONFIRMING_OFFICER: _("Confirming officer"),
        Role.POLICY_OWNER: _("Policy owner"),
        Role.TEST_LEAD: _("Test lead"),
        Role.TESTER: _("Tester"),
        Role.IMPARTIALITY_OFFICER: _("Impartiality officer"),
        Role.CONTRACTOR: _("Contractor"),
        Role.AUDITOR: _("Auditor"),
        Role.PLATFORM_ADMINISTRATOR: _("Platform administrator"),
        Role.GATE_CLIENT: _("Gate client"),
    }
)
