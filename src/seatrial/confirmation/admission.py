"""Kubernetes' question, the gate's answer: an AdmissionReview in, an AdmissionReview out.

A workload is admitted when the gate says ALLOW for the confirmation and the deployed manifest of its namespace, and
every image is given by digest and is among that manifest's subjects. Judged are CREATE and UPDATE of pods and of what
makes pods; any other operation or kind that is sent here is refused, because the webhook's rules should not have sent
it. Whatever goes wrong is a refusal with its reason.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ (admission.k8s.io/v1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seatrial.confirmation.gate import Decision, deny
from seatrial.errors import EvidenceError
from seatrial.evidence.canonical import parse_json
from seatrial.model.release import Release

__all__ = ["MAX_REVIEW_BYTES", "Ask", "respond"]

MAX_REVIEW_BYTES = 4 * 1024 * 1024
"""Larger than any object that the API server stores."""

Ask = Callable[[str], tuple[Decision, Release | None]]
"""From a namespace to the gate's decision, and the deployed manifest it was made on."""

_VERSION = "admission.k8s.io/v1"
_POD_SPEC: Mapping[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "Deployment": ("spec", "template", "spec"),
    "StatefulSet": ("spec", "template", "spec"),
    "DaemonSet": ("spec", "template", "spec"),
    "ReplicaSet": ("spec", "template", "spec"),
    "ReplicationController": ("spec", "template", "spec"),
    "Job": ("spec", "template", "spec"),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_BY_DIGEST = re.compile(r"[^@\s]+@sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class _Request:
    """What of a review is judged."""

    namespace: str
    kind: str
    images: tuple[str, ...]


class _RefusedError(Exception):
    """The review can't be judged; the text says why."""


def respond(review: bytes, ask: Ask) -> tuple[bytes, str]:
    """Answer a review.

    Args:
        review: The request's body.
        ask: The gate.

    Returns:
        The AdmissionReview to send back, and one line for the log. A body that has no uid to echo is answered with an
        empty one, which the API server takes for a failed webhook.
    """
    uid = ""
    try:
        request = _envelope(review)
        found = request.get("uid")
        uid = found if isinstance(found, str) else ""
        if not uid or len(uid) > 200:
            raise _RefusedError("the review has no uid")
        asked = _request(request)
        reasons = _judge(asked, ask)
        what = f"{asked.kind} in {asked.namespace}"
    except _RefusedError as e:
        reasons, what = [str(e)], "a review"
    except Exception as e:  # in doubt nothing is admitted, whatever went wrong
        reasons, what = [f"the gate could not decide ({type(e).__name__})"], "a review"
    return _answer(uid, reasons), _plain(
        f"{'DENY' if reasons else 'ALLOW'} {what}: {'; '.join(reasons) or 'as confirmed'}"
    )


def _envelope(review: bytes) -> dict[str, Any]:
    if len(review) > MAX_REVIEW_BYTES:
        raise _RefusedError(f"the review has more than {MAX_REVIEW_BYTES} bytes")
    try:
        document = parse_json(review, "the review")
    except EvidenceError as e:
        raise _RefusedError(str(e)) from e
    if not isinstance(document, dict) or not isinstance(document.get("request"), dict):
        raise _RefusedError("this is no AdmissionReview with a request")
    request: dict[str, Any] = document["request"]
    if document.get("apiVersion") != _VERSION or document.get("kind") != "AdmissionReview":
        # The uid is known here, but an answer in another version would not be read.
        raise _RefusedError(f"this is no AdmissionReview of {_VERSION}")
    return request


def _request(request: dict[str, Any]) -> _Request:
    operation, namespace, item = request.get("operation"), request.get("namespace"), request.get("object")
    if operation not in {"CREATE", "UPDATE"}:
        raise _RefusedError(f"the operation {operation!r} is not judged here: send CREATE and UPDATE alone")
    if not isinstance(namespace, str) or not namespace:
        raise _RefusedError("the object is in no namespace")
    kind = item.get("kind") if isinstance(item, dict) else None
    if not isinstance(kind, str) or kind not in _POD_SPEC:
        raise _RefusedError(f"objects of kind {kind!r} are not judged here: one of {', '.join(_POD_SPEC)}")
    spec: Any = item
    for field in _POD_SPEC[kind]:
        spec = spec.get(field) if isinstance(spec, dict) else None
    if not isinstance(spec, dict):
        raise _RefusedError(f"the {kind} has no pod specification")
    return _Request(namespace, kind, _images(spec))


def _images(spec: dict[str, Any]) -> tuple[str, ...]:
    images: list[str] = []
    for field in _CONTAINERS:
        containers = spec.get(field)
        if containers is None:
            continue
        if not isinstance(containers, list):
            raise _RefusedError(f"{field} is no list")
        for container in containers:
            image = container.get("image") if isinstance(container, dict) else None
            if not isinstance(image, str) or not image:
                raise _RefusedError(f"a container of {field} names no image")
            images.append(image)
    if not images:
        raise _RefusedError("the object has no container")
    return (*images, *_mounted(spec.get("volumes")))


def _mounted(volumes: object) -> list[str]:
    """Return the images of volumes: a volume may be an image too."""
    if volumes is None:
        return []
    if not isinstance(volumes, list) or not all(isinstance(volume, dict) for volume in volumes):
        raise _RefusedError("volumes is no list of objects")
    found = [volume["image"] for volume in volumes if volume.get("image") is not None]
    if not all(isinstance(image, dict) for image in found):
        raise _RefusedError("the image of a volume is no object")
    return [str(image.get("reference")) for image in found]


def _judge(request: _Request, ask: Ask) -> list[str]:
    decision, release = ask(request.namespace)
    reasons = [] if decision.allowed else list(decision.reasons or deny().reasons)
    if release is None:
        return reasons or ["there is no deployed manifest to compare with"]
    bound = {subject.sha256 for subject in release.subjects}
    for image in dict.fromkeys(request.images):
        by_digest = _BY_DIGEST.fullmatch(image)
        if by_digest is None:
            reasons.append(f"the image {image} is not given by digest: write NAME@sha256:HEX")
        elif by_digest[1] not in bound:
            reasons.append(f"the image {image} is not among the subjects of {release.name} {release.version}")
    return reasons


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:4000]


def _answer(uid: str, reasons: list[str]) -> bytes:
    response: dict[str, Any] = {"uid": uid, "allowed": not reasons}
    if reasons:
        response["status"] = {"code": 403, "reason": "Forbidden", "message": _plain("seatrial: " + "; ".join(reasons))}
    return json.dumps({"apiVersion": _VERSION, "kind": "AdmissionReview", "response": response}).encode()
