"""What a journey says, step by step: names, variables, paths, headers, patterns.

These checks look at the values as written and not at the model, so that a journey with one mistake of structure still
gives all its other mistakes in the same go.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from seatrial.authoring.patterns import check_css, check_json_path, check_regex
from seatrial.authoring.problems import ProblemList, split_message
from seatrial.authoring.python_plan import inspect_journey
from seatrial.authoring.scopes import Feeds, Guard, Scope, guards_of
from seatrial.authoring.step_checks import StepCheck
from seatrial.authoring.step_nodes import requests_below, step_labels, steps_of, texts_below
from seatrial.authoring.validation import did_you_mean
from seatrial.authoring.yaml_source import Node
from seatrial.errors import PlanError
from seatrial.model.template import Variable, parse_template

__all__ = ["JourneyCheck"]


class JourneyCheck:
    """The checks of one journey, or of the steps of set-up or tear-down.

    Args:
        journey: As written.
        base: The plan's folder.
        feeds: What its feeds offer.
        problems: Where problems go.
        given: What set-up leaves behind; None without set-up.

    Attributes:
        scope: Which variables there are; after :meth:`run`, those at the end.
    """

    def __init__(
        self, journey: Node, base: Path, feeds: Feeds, problems: ProblemList, given: Scope | None = None
    ) -> None:
        synthetic = journey.get("synthetic")
        self.scope = Scope(feeds, synthetic.entries if synthetic else (), given)
        self._journey, self._base, self._problems, self._given = journey, base, problems, given
        self._step_check = StepCheck(base, problems)

    def run(self) -> None:
        """Add every problem of the journey."""
        self._names()
        self._variables()
        python = self._journey.get("python")
        if python is not None and isinstance(python.scalar, str):
            self._python(python, python.scalar)
        self._steps(self._journey.get("steps"))
        self._auth_of_all()

    def _names(self) -> None:
        first: dict[str, int] = {}
        for label, line in step_labels(self._journey):
            if label in first:
                remedy = f"Give each step its own name; the first is on line {first[label]}."
                self._problems.add(line, "two steps of one journey with the same name", label, remedy)
            first.setdefault(label, line)

    def _variables(self) -> None:
        """Add every name of a feed or of made-up data that something else has already."""
        remedy = "Give it another name."
        for kind, others in (("feed", ()), ("synthetic", self.scope.feeds)):
            named = self._journey.get(kind)
            for name in named.entries if named else ():
                line = named.line_of(name) if named else self._journey.line
                if name in others:
                    self._problems.add(line, "a variable with the name of a feed", name, remedy)
                elif self._given is not None and self._given.is_known(name):
                    self._problems.add(line, "a variable with the name of one that set-up extracts", name, remedy)

    def _python(self, node: Node, reference: str) -> None:
        if (auth := self._journey.get("auth")) is not None:
            remedy = "Take it out; its code sends its own headers."
            self._problems.add(auth.line, "auth of a journey in Python", auth.written or None, remedy)
        try:
            source = inspect_journey(reference, self._base)
        except PlanError as error:
            for problem in error.problems:
                self._problems.add_elsewhere(node.line, problem)
            return
        for label, line in step_labels(self._journey):
            if label not in source.texts and not source.dynamic:
                self._problems.add(line, "a step name that the Python file never uses", label, "Take it out.")

    def _auth_of_all(self) -> None:
        """Add what is wrong with the journey's own authentication, such as a variable that no step ever extracts."""
        if self._journey.get("python") is not None:
            return
        self._step_check.auth(self._journey.get("auth"), None)
        for node in texts_below(self._journey.get("auth")):
            self._template(node, anywhere=True)

    # -- steps ---------------------------------------------------------------------------------------------------

    def _steps(self, steps: Node | None) -> None:
        for step in steps_of(steps):
            if self._problems.is_full:
                return
            if "repeat" in step.entries:
                self._repeat(step)
            elif "choose" in step.entries:
                self._choose(step)
            elif "steps" in step.entries or "otherwise" in step.entries:
                self._group(step)
            elif "pause" not in step.entries:
                self._request(step)

    def _group(self, step: Node) -> None:
        fulfilled, unfulfilled = self._condition(step.get("when"))
        with self.scope.under(fulfilled):
            self._steps(step.get("steps"))
        with self.scope.under(unfulfilled):
            self._steps(step.get("otherwise"))
        self.scope.join([fulfilled, unfulfilled])

    def _choose(self, step: Node) -> None:
        taken: list[frozenset[Guard]] = []
        for index, option in enumerate(step.entries["choose"].items):
            taken.append(frozenset({("option", id(step), index)}))
            with self.scope.under(taken[-1]):
                self._steps(option.get("steps"))
        if taken:
            self.scope.join(taken)

    def _repeat(self, step: Node) -> None:
        body, during, counter = step.get("steps"), step.get("while"), step.get("as")
        for name in _extracted_below(body):
            self.scope.announce(name)
        rounds = step.entries["repeat"]
        fewest = rounds.items[0].scalar if rounds.items else 1
        with ExitStack() as stack:
            if during is not None:
                stack.enter_context(self.scope.under(self._condition(during)[0]))
            if during is not None or fewest == 0:  # maybe no round at all
                stack.enter_context(self.scope.under([("round", id(step))]))
            if counter is not None and isinstance(counter.scalar, str):
                self._named(counter.scalar, counter.line, "a counter")
                self.scope.extract(counter.scalar, members=False)
                self.scope.counters.append(counter.scalar)
                stack.callback(self.scope.counters.pop)
            self._steps(body)

    def _request(self, step: Node) -> None:
        when = step.get("when")
        with self.scope.under(self._condition(when)[0]):
            for text in self._step_check.run(step):
                self._template(text)
            self._own_auth(step)
            self._extract(step)

    def _own_auth(self, step: Node) -> None:
        auth = step.get("auth")
        self._step_check.auth(auth, step.get("headers"))
        for text in texts_below(auth):
            self._template(text)
        if auth is not None or self._journey.get("auth") is None:
            return
        for text in texts_below(self._journey.get("auth")):
            for variable in _variables_in(text):
                if self.scope.is_known(variable.name) and not self.scope.is_sure(variable.name):
                    what = "a request as whom only some sessions can say: the journey's auth has no value in others"
                    self._problems.add(step.line, what, str(variable), "Extract it in a step that every session takes.")

    def _extract(self, step: Node) -> None:
        extract, failure = step.get("extract"), step.get("on_failure")
        goes_on = failure is not None and failure.scalar == "continue"
        for name, source in extract.entries.items() if extract else ():
            line = extract.line_of(name) if extract else step.line
            self._named(name, line, "a variable")
            path, optional = source.get("json"), source.get("optional")
            may_lack = goes_on or (optional is not None and optional.scalar is True)
            self.scope.extract(name, members=path is not None, doubts=[("lacking", id(source))] if may_lack else ())
            if path is not None and isinstance(path.scalar, str):
                check_json_path(path.scalar, path.line, self._problems)
            for key, check in (("regex", check_regex), ("css", check_css)):
                if (pattern := source.get(key)) is not None:
                    check(pattern, self._problems)

    def _named(self, name: str, line: int, what: str) -> None:
        kinds = ((self.scope.feeds, "a feed"), (self.scope.texts, "synthetic data"), (self.scope.counters, "a counter"))
        for names, other in kinds:
            if name in names:
                self._problems.add(line, f"{what} with the name of {other}", name, "Give it another name.")
                return

    # -- variables and conditions --------------------------------------------------------------------------------

    def _condition(self, when: Node | None) -> tuple[frozenset[Guard], frozenset[Guard]]:
        """Add what is wrong with a condition; return the guards where it is fulfilled and where it is not."""
        if when is None:
            return frozenset(), frozenset()
        if (pattern := when.get("matches")) is not None:
            check_regex(pattern, self._problems)
        named = when.get("value") if when.kind == "mapping" else when
        if named is not None and isinstance(named.scalar, str):
            name, dot, column = named.scalar.partition(".")
            if not self.scope.is_known(name):
                remedy = "Name a value that an earlier step extracts."
                if known := self.scope.names:
                    remedy = f"{remedy} {did_you_mean(name, known)}"
                self._problems.add(
                    named.line, "a condition on a value that no earlier step extracts", named.written, remedy
                )
            elif dot or name in self.scope.feeds:
                self._column(Variable(name, column if dot else None), named.line, of_condition=True)
        return guards_of(when)

    def _template(self, node: Node, *, anywhere: bool = False) -> None:
        try:
            parts = parse_template(str(node.scalar))
        except ValueError as error:
            what, remedy = split_message(str(error))
            self._problems.add(node.line, what, node.written, remedy)
            return
        for variable in parts:
            if isinstance(variable, Variable):
                self._variable(variable, node.line, anywhere)

    def _variable(self, variable: Variable, line: int, anywhere: bool) -> None:
        add, name = self._problems.add, variable.name
        if not self.scope.is_known(name):
            known, remedy = self.scope.names, "Extract it in an earlier step, or name a feed."
            if known:
                remedy = f"{remedy} {did_you_mean(name, known)}"
            add(line, "an undefined variable", str(variable), remedy)
        elif anywhere or self.scope.is_sure(name):
            self._column(variable, line)
        else:
            remedy = f"Extract it in a step that every session takes before, or take this step only when: {name}."
            add(line, "a variable that some sessions don't have here", str(variable), remedy)

    def _column(self, variable: Variable, line: int, *, of_condition: bool = False) -> None:
        """Add what is wrong with the column, or the lack of one, of a known variable."""
        add, name, column = self._problems.add, variable.name, variable.field
        shown = str(variable) if not of_condition else str(variable)[2:-1]
        if name in self.scope.feeds:
            columns = self.scope.feeds[name]
            if column is None:
                example = f"{name}.{columns[0] if columns else 'column'}"
                add(
                    line, "a feed without its column", shown, f"Write {example if of_condition else f'${{{example}}}'}."
                )
            elif columns is not None and column not in columns:
                add(line, "no such column in the feed", shown, did_you_mean(column, columns))
        elif column is not None and not self.scope.has_members(name):
            add(line, "a text has no columns", shown, f"Write {name if of_condition else f'${{{name}}}'}.")


def _variables_in(node: Node) -> Iterator[Variable]:
    try:
        yield from (part for part in parse_template(str(node.scalar)) if isinstance(part, Variable))
    except ValueError:  # said where it stands
        return


def _extracted_below(steps: Node | None) -> Iterator[str]:
    for step in requests_below(steps):
        extract = step.get("extract")
        yield from extract.entries if extract else ()
