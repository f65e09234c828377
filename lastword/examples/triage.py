"""A flow with a router: a customer's message is sorted, then answered in kind."""

from crewai.flow import Flow, listen, or_, router, start
from crewai.utilities.llm_utils import create_llm
from pydantic import BaseModel, Field


class Ticket(BaseModel):
    """The flow's state; its fields are the workflow's inputs."""

    message: str = Field(
        default="I was charged twice for invoice 1042.", description="What the customer wrote."
    )
    customer: str = Field(default="a customer", description="Who wrote it.")


class Reply(BaseModel):
    """What the flow returns."""

    kind: str
    urgent: bool
    reply: str


class SupportTriage(Flow[Ticket]):
    """Sort a customer's message and draft an answer."""

    @start()
    def classify(self) -> str:
        """Ask the model what the message is about."""
        question = (
            "Sort this message of a customer.\n"
            f"Answer with exactly one of: billing, bug, question.\n\nThe message: {self.state.message}"
        )
        return _ask(question).strip().lower()

    @router(classify)
    def route(self, kind: str) -> str:
        """Choose the way by what the model said."""
        return kind if kind in {"billing", "bug"} else "question"

    @listen("billing")
    def answer_billing(self) -> Reply:
        """Put money first."""
        return self._reply("billing", "Apologise, and say that the charge is checked today.", urgent=True)

    @listen("bug")
    def answer_bug(self) -> Reply:
        """Ask for the steps that show the fault again."""
        return self._reply("bug", "Ask for the steps that lead to the fault.", urgent=False)

    @listen("question")
    def answer_question(self) -> Reply:
        """Take everything else."""
        return self._reply("question", "Answer kindly, and offer to call.", urgent=False)

    @listen(or_(answer_billing, answer_bug, answer_question))
    def finish(self, reply: Reply) -> Reply:
        """Return whichever answer was drafted."""
        print(f"{self.state.customer} gets an answer about: {reply.kind}")
        return reply

    def _reply(self, kind: str, advice: str, *, urgent: bool) -> Reply:
        text = _ask(f"Draft a reply of a few sentences to {self.state.customer}. {advice} The topic: {kind}.")
        return Reply(kind=kind, urgent=urgent, reply=text)


def _ask(question: str) -> str:
    model = create_llm(None)  # what the environment names
    if model is None:
        raise LookupError("no language model is configured")
    return str(model.call(question))
