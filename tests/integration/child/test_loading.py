"""What `lastword.toml` may name, and what is said of what it should not."""

from pathlib import Path
from typing import Any

import pytest

from lastword.child.protocol import Target
from tests.integration.child.conftest import Stage, result_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),  # the first of them waits for CrewAI's import
]


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of an object's schema, closed unless it says otherwise."""
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert not schema["additionalProperties"]
    found: dict[str, Any] = schema["properties"]
    return found


async def test_a_function_is_described_by_its_annotations(stage: Stage) -> None:
    """Types, choices, defaults, what is required, and the docstring's first paragraph."""
    description = await stage.describe("work:greet")
    assert ("function", "Greet somebody.", None) == (
        description.kind,
        description.description,
        description.error,
    )
    assert {
        "name": {"type": "string"},
        "times": {"type": "integer", "default": 1},
        "mood": {"enum": ["cold", "warm"], "default": "warm"},
    } == properties(description.input_schema)
    assert ["name"] == description.input_schema["required"]
    assert not description.uses_crewai


async def test_structured_inputs_are_described_with_their_parts(stage: Stage) -> None:
    """Dataclasses and pydantic models become definitions."""
    schema = (await stage.describe("work:typed")).input_schema
    assert {"$ref": "#/$defs/Point"} == schema["properties"]["point"]
    assert {"x", "y"} == schema["$defs"]["Point"]["properties"].keys()
    assert {"name", "age"} == schema["$defs"]["Person"]["properties"].keys()
    assert ["point"] == schema["required"]


async def test_a_function_of_anything_takes_anything(stage: Stage) -> None:
    """`**values` opens the schema."""
    schema = (await stage.describe("work:anything")).input_schema
    assert schema["additionalProperties"] is True
    assert {"a": [1], "b": None} == result_of(await stage.run("work:anything", a=[1], b=None))


async def test_a_crew_is_described_by_its_placeholders(stage: Stage) -> None:
    """Braces around anything but a name are text."""
    description = await stage.describe("crews:about")
    assert ("crew", "Return a crew with an input.") == (description.kind, description.description)
    assert {"topic": {"type": "string"}} == properties(description.input_schema)
    assert ["topic"] == description.input_schema["required"]
    assert description.uses_crewai


async def test_a_flow_is_described_by_its_state(stage: Stage) -> None:
    """All fields but the id, with their defaults."""
    description = await stage.describe("crews:Routed")
    assert ("flow", "Go one way or the other.") == (description.kind, description.description)
    assert {"topic": "tides", "depth": 1} == {
        name: part["default"] for name, part in properties(description.input_schema).items()
    }


async def test_bad_inputs_of_a_flow_name_the_field(stage: Stage) -> None:
    """They are checked before the flow begins."""
    ended = await stage.run("crews:Routed", depth="deep", colour="red")
    assert ended.error is not None
    assert "invalid_inputs" == ended.error.code
    assert "depth: Input should be a valid integer" in ended.error.message
    assert "colour: unknown; the inputs are: topic, depth" in ended.error.message


async def test_a_crew_without_its_input_is_not_started(stage: Stage) -> None:
    """Else the agents would be asked about `{topic}`."""
    error = (await stage.run("crews:about")).error
    assert error is not None
    assert ("invalid_inputs", "topic: required, and missing") == (error.code, error.message)


@pytest.mark.parametrize(
    ("run", "error"),
    [
        ("nowhere:work", "there is no module 'nowhere'"),
        ("work:nothing", "'work' has no 'nothing'"),
        ("work:not_callable", "work:not_callable is a int"),
        ("work:Plain", "work:Plain is a class, but neither a Flow nor a @CrewBase"),
        ("broken_import:work", "ModuleNotFoundError: No module named 'there_is_no_such_module'"),
        ("broken_exit:work", "the process ended with exit code 0 but without a result\nI leave"),
    ],
)
async def test_a_broken_target_says_what_is_wrong(stage: Stage, run: str, error: str) -> None:
    """In the words of Python where it was Python that refused."""
    description = await stage.describe(run)
    assert "broken" == description.kind
    assert error in (description.error or "")
    assert {"type": "object"} == description.input_schema


async def test_a_syntax_error_is_shown_with_its_line(stage: Stage, tmp_path: Path) -> None:
    """The last lines of the traceback have it."""
    (tmp_path / "wrong.py").write_text("def work(:\n    pass\n")
    description = await stage.describe("wrong:work", base_dir=tmp_path)
    assert "broken" == description.kind
    assert "def work(:" in (description.error or "")
    assert "SyntaxError" in (description.error or "")


async def test_a_parameter_that_json_cannot_give_is_named(stage: Stage, tmp_path: Path) -> None:
    """Better at the start than when somebody tries."""
    (tmp_path / "odd.py").write_text("import socket\ndef work(peer: socket.socket) -> None: ...\n")
    description = await stage.describe("odd:work", base_dir=tmp_path)
    assert "parameter 'peer' has a type that JSON cannot give" in (description.error or "")


async def test_an_import_that_hangs_is_given_up(stage: Stage) -> None:
    """The process is ended, and the target is broken."""
    from tests.integration.child.conftest import TARGETS

    target = Target(run="broken_slow:work", base_dir=str(TARGETS))
    description = await stage.pool.describe(target, timeout_s=0.3)
    assert "it did not load within 0.3 s" == description.error


CLASSIC = {
    "pyproject.toml": '[project]\nname = "tide-crew"\n[tool.crewai]\ntype = "crew"\n',
    ".env": "TIDE_STATION=north\n",
    "src/tide_crew/__init__.py": "",
    "src/tide_crew/config/agents.yaml": (
        "reader:\n  role: Reader of {place}\n  goal: Read the tide\n  backstory: Reads since childhood.\n"
    ),
    "src/tide_crew/config/tasks.yaml": (
        "read:\n  description: Read the tide of {place} on {day}.\n"
        "  expected_output: A sentence.\n  agent: reader\n  output_file: tide.md\n"
    ),
    "src/tide_crew/crew.py": '''
import os
from crewai import Agent, Crew, Process, Task
from crewai.project import CrewBase, agent, crew, task


@CrewBase
class TideCrew:
    """Read the tide of a place."""

    agents_config = "config/agents.yaml"
    tasks_config = "config/tasks.yaml"

    @agent
    def reader(self) -> Agent:
        print("station", os.environ["TIDE_STATION"])
        return Agent(config=self.agents_config["reader"])

    @task
    def read(self) -> Task:
        return Task(config=self.tasks_config["read"])

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.sequential)
''',
    "src/tide_crew/main.py": "raise SystemExit('the command line of the project is not what is run')\n",
}

JSONC = {
    "pyproject.toml": '[project]\nname = "json-crew"\n[tool.crewai]\ndefinition = "crew.jsonc"\n',
    "crew.jsonc": """{
  // A crew in JSON with comments.
  "name": "json-crew",
  "agents": ["reader"],
  "tasks": [
    {"name": "read", "description": "Read {place} on {day}.", "expected_output": "Text.", "agent": "reader"}
  ],
  "inputs": {"day": "Monday"}
}
""",
    "agents/reader.jsonc": """{
  // The one agent.
  "role": "Reader", "goal": "Read about {place}", "backstory": "Reads."
}
""",
}

FLOW = {
    "pyproject.toml": '[project]\nname = "tide-flow"\n[tool.crewai]\ntype = "flow"\n',
    "src/tide_flow/__init__.py": "",
    "src/tide_flow/main.py": '''
from crewai.flow import Flow, listen, start
from pydantic import BaseModel


class TideState(BaseModel):
    place: str = "Brest"


class TideFlow(Flow[TideState]):
    """Look at the tide."""

    @start()
    def look(self):
        return self.state.place

    @listen(look)
    def tell(self, place):
        return {"tide": place}


def kickoff():
    TideFlow().kickoff()
''',
}


def lay_out(folder: Path, files: dict[str, str]) -> Target:
    """Write a project, and return what names it."""
    for name, text in files.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Target(project="./project", base_dir=str(folder))


async def test_a_classic_project_runs(stage: Stage, tmp_path: Path) -> None:
    """YAML, `.env`, and files written relative to the project's folder."""
    target = lay_out(tmp_path, CLASSIC)
    description = await stage.pool.describe(target)
    assert ("crew", None) == (description.kind, description.error)
    assert {"day", "place"} == properties(description.input_schema).keys()
    child = await stage.start(target, {"place": "Brest", "day": "Monday"})
    ended = await child.ended()
    result = result_of(ended)
    assert ["read"] == [task["name"] for task in result["tasks"]]
    assert "Reader of Brest" == result["tasks"][0]["agent"].strip()
    assert "station north" in ended.last_lines
    assert result["raw"] == (tmp_path / "project" / "tide.md").read_text("utf-8")


async def test_a_key_in_the_project_s_env_overrules_the_offline_model(stage: Stage, tmp_path: Path) -> None:
    """A project that brings its provider is never given canned answers."""
    target = lay_out(tmp_path, {**CLASSIC, ".env": "TIDE_STATION=north\nANTHROPIC_API_KEY=mine\n"})
    ended = await (await stage.start(target, {"place": "Brest", "day": "Monday"})).ended()
    assert ended.error is not None
    assert "OPENAI_API_KEY" in f"{ended.error.message} {ended.last_lines}"


async def test_a_json_project_runs(stage: Stage, tmp_path: Path) -> None:
    """Its own defaults make an input optional."""
    target = lay_out(tmp_path, JSONC)
    description = await stage.pool.describe(target)
    assert ("crew", None) == (description.kind, description.error)
    assert {"place": {"type": "string"}, "day": {"type": "string", "default": "Monday"}} == properties(
        description.input_schema
    )
    assert ["place"] == description.input_schema["required"]
    ended = await (await stage.start(target, {"place": "Brest"})).ended()
    assert ["read"] == [task["name"] for task in result_of(ended)["tasks"]]


async def test_a_flow_project_runs(stage: Stage, tmp_path: Path) -> None:
    """The Flow class in its main module is what is run."""
    target = lay_out(tmp_path, FLOW)
    description = await stage.pool.describe(target)
    assert ("flow", "Look at the tide.", None) == (
        description.kind,
        description.description,
        description.error,
    )
    assert {"place"} == properties(description.input_schema).keys()
    assert {"tide": "Cork"} == result_of(await (await stage.start(target, {"place": "Cork"})).ended())


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"readme.txt": "nothing here"}, "is no CrewAI project"),
        ({"pyproject.toml": "[project\n"}, "pyproject.toml"),
        (
            {"pyproject.toml": '[tool.crewai]\ndefinition = "crew.jsonc"\n'},
            "names crew.jsonc, which does not exist",
        ),
        ({**JSONC, "crew.jsonc": "{"}, "crew.jsonc"),
        ({**CLASSIC, "src/tide_crew/config/tasks.yaml": "read: [\n"}, "while parsing"),
        ({**CLASSIC, "src/tide_crew/crew.py": "import nothing_of_that_name\n"}, "nothing_of_that_name"),
    ],
)
async def test_a_broken_project_says_what_is_wrong(
    stage: Stage, tmp_path: Path, files: dict[str, str], error: str
) -> None:
    """The file or the module at fault is named."""
    description = await stage.pool.describe(lay_out(tmp_path, files))
    assert "broken" == description.kind
    assert error in (description.error or "")


async def test_a_project_that_is_not_there_is_named(stage: Stage, tmp_path: Path) -> None:
    """The whole path, since it is relative to lastword.toml."""
    description = await stage.pool.describe(Target(project="./nowhere", base_dir=str(tmp_path)))
    assert f"there is no folder {tmp_path / 'nowhere'}" == description.error
