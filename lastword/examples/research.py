"""A crew of three agents that writes a short brief about a topic, in four tasks and with two tools.

It is unmodified CrewAI: with `OPENAI_API_KEY` (or another provider) in the environment a real model does the
work, without one lastword's offline model answers, and what it says is canned.
"""

import time

from crewai import Agent, Crew, Process, Task
from crewai.tools import BaseTool

import lastword

SHELF = {
    "overview": "Field notes describe {topic} as a practice that grew from local needs before it had a name.",
    "numbers": "A survey of 48 projects found that 31 of them met their targets within two years.",
    "risks": "Reviewers warn that upkeep is the cost most often left out of the first plan.",
    "people": "Teams that trained their own operators reported half as many outages as those that did not.",
}


class SearchShelf(BaseTool):
    """Looks things up on a small shelf of notes that comes with the example; it needs no network."""

    name: str = "search_shelf"
    description: str = "Search the shelf of notes for what is known about a subject."

    def _run(self, query: str) -> str:
        """Return the notes, one after the other, as a slow library would."""
        found: list[str] = []
        for index, (title, text) in enumerate(SHELF.items(), start=1):
            lastword.progress(index, len(SHELF), f"reading the note on {title}")
            time.sleep(0.15)
            found.append(f"{title}: {text.format(topic=query)}")
        return "\n".join(found)


class RateSource(BaseTool):
    """Rates how far a claim can be trusted."""

    name: str = "rate_source"
    description: str = "Rate how far a claim can be trusted, from 1 (hearsay) to 5 (measured)."

    def _run(self, claim: str) -> str:
        """Return a rating that depends on the claim's words alone."""
        print(f"rating: {claim[:80]}")
        time.sleep(0.3)
        rating = 5 if any(character.isdigit() for character in claim) else 3
        return f"The claim is rated {rating} of 5 because it {'gives' if rating == 5 else 'lacks'} figures."


def crew() -> Crew:
    """Write a short brief about a topic."""
    researcher = Agent(
        role="Researcher",
        goal="Find out what is known about {topic}",
        backstory="A careful reader who notes where each fact comes from.",
        tools=[SearchShelf()],
    )
    reviewer = Agent(
        role="Reviewer",
        goal="Tell what is sound from what is not",
        backstory="A sceptic who has been wrong before and remembers it.",
        tools=[RateSource()],
    )
    writer = Agent(
        role="Writer",
        goal="Say it in few words",
        backstory="A former newspaper editor.",
    )
    gather = Task(
        name="Gather facts",
        description="Gather what is known. The topic: {topic}.",
        expected_output="Five bullet points, each one fact.",
        agent=researcher,
    )
    review = Task(
        name="Review the facts",
        description="Review the facts that were gathered. The topic: {topic}.",
        expected_output="Three bullet points on how far the facts can be trusted.",
        agent=reviewer,
        context=[gather],
    )
    outline = Task(
        name="Outline the brief",
        description="Outline a brief for busy readers. The topic: {topic}.",
        expected_output="A list of four points in their best order.",
        agent=writer,
        context=[gather, review],
    )
    write = Task(
        name="Write the brief",
        description="Write the brief from its outline. The topic: {topic}.",
        expected_output="A brief in Markdown: a heading and two paragraphs.",
        agent=writer,
        context=[gather, review, outline],
    )
    return Crew(
        name="research-brief",
        agents=[researcher, reviewer, writer],
        tasks=[gather, review, outline, write],
        process=Process.sequential,
    )
