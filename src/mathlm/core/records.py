"""The records that stages exchange in files: frozen, typed, unknown fields refused.

Not here: how a record is made or judged (its stage does that). Every record survives a round trip
through JSON unchanged; status values are words, never a bool and never NaN.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """A frozen record that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Provenance(Record):
    """Where a document came from; a field is None where the source does not have it."""

    file: str | None = None
    offset: int | None = None
    """Byte offset of the record in `file` (WARC), or the line from 0 (JSONL)."""
    record_id: str | None = None
    url: str | None = None
    date: str | None = None
    digest: str | None = None
    """sha256 of the raw bytes as read, in hexadecimal; or a WARC's own payload digest, with its
    algorithm before it (`sha1:…`), where it was checked and fits."""
    content_type: str | None = None
    charset_declared: str | None = None
    charset_used: str | None = None
    language: str | None = None
    """Programming language by the file's name (code), or the text's natural language."""
    repository: str | None = None
    licence: str | None = None


class Document(Record):
    """One text of the corpus; `source` is the domain by which it is weighted and measured."""

    id: str
    text: str
    source: str
    provenance: Provenance = Provenance()


class Segment(Record):
    """One turn of a conversation; `train` says whether its tokens carry loss."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    train: bool = False


class Conversation(Record):
    """Ordered segments, for tuning."""

    id: str
    segments: tuple[Segment, ...]
    source: str = ""


class Labels(Record):
    """Numbers on the tokens, the steps or the whole of one path, for verifiers."""

    id: str
    unit: Literal["token", "step", "path"]
    values: tuple[float, ...]


class Problem(Record):
    """One item of a task. `prompt` is the question; provers read `header` and `statement`."""

    id: str
    task: str
    prompt: str = ""
    statement: str | None = None
    header: str | None = None
    choices: tuple[str, ...] = ()
    answer: str | None = None
    solution: str | None = None
    level: str | None = None
    subject: str | None = None


class TypedValue(Record):
    """A variable that a program left: its type's name and its text (SymPy: `srepr`, else repr)."""

    type: str
    value: str


SegmentSource = Literal["model", "forced", "tool"]
FinishReason = Literal["stop", "eos", "length", "tool_limit", "budget", "error"]


class CompletionSegment(Record):
    """A stretch of a completion by who wrote it: the model, the solver (forced) or a tool."""

    source: SegmentSource
    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """Raw log-probabilities (nats), one a token, for segments of the model; else empty."""
    thought: bool = False
    """What a reasoning model wrote before its answer: no answer is ever read from it."""
    status: str | None = None
    """For a tool: its status (ok, error, timeout, …). For a forced segment `anew` where what
    follows does not go on from what stands before: the model was asked with another prompt."""
    level: str | None = None
    """For a tool: the sandbox level reached."""
    variables: dict[str, TypedValue] = Field(default_factory=dict)


class Cost(Record):
    """What a completion cost, in tokens by kind and in seconds of wall time."""

    prompt_tokens: int = 0
    model_tokens: int = 0
    forced_tokens: int = 0
    tool_calls: int = 0
    seconds: float = 0.0


class Completion(Record):
    """What a solver made of a problem: ordered segments and how it ended."""

    problem_id: str
    task: str
    solver: str
    sample_index: int
    segments: tuple[CompletionSegment, ...]
    finish_reason: FinishReason
    parent: str | None = None
    """For trees: the id of the completion from which this one branched; never in an answer."""
    key: str = ""
    """Hash of the model, the prompt, the sampling and the seed that it came from."""
    scores: dict[str, float] = Field(default_factory=dict)
    cost: Cost = Cost()

    @property
    def text(self) -> str:
        """All segments' text in order."""
        return "".join(segment.text for segment in self.segments)


Status = Literal["correct", "incorrect", "no_answer", "timeout", "error"]


class Verdict(Record):
    """What a grader says of one completion, with the rule that decided and both normal forms."""

    problem_id: str
    task: str
    solver: str = ""
    sample_index: int = 0
    status: Status
    answer: str | None = None
    """The answer as extracted from the completion."""
    gold: str | None = None
    rule: str = ""
    """The rule that decided (`exact`, `numeric`, `symbolic`, …)."""
    normal_answer: str | None = None
    normal_gold: str | None = None
    policy: str = "default"
    reason: str = ""
    cheat: bool = False
    axioms: tuple[str, ...] = ()
    seconds: float = 0.0
    equivalence_class: int | None = None
    """The class of equivalent answers within the problem (0 = first seen); None: no answer."""


TacticStatus = Literal[
    "open", "finished", "failed", "timeout", "out_of_memory", "crashed", "refused"
]


class Goal(Record):
    """One goal of a proof: named hypotheses and the conclusion, as the prover prints them."""

    hypotheses: tuple[str, ...]
    conclusion: str


class GoalState(Record):
    """The open goals after a proof's prefix; `id` is the prover's handle on the state."""

    id: str
    goals: tuple[Goal, ...]


class TacticOutcome(Record):
    """What a tactic did to a state; `state` is there for `open` and `finished`."""

    status: TacticStatus
    state: GoalState | None = None
    message: str = ""
    seconds: float = 0.0
