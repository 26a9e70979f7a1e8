"""The scenario language: text files of commands with golden output. docs/scenarios.md says how to write one."""

from quorate.protocols.simulation.scenario.interpreter import Scenario, ScenarioError
from quorate.protocols.simulation.scenario.language import VERBS, Verb

__all__ = ["VERBS", "Scenario", "ScenarioError", "Verb"]
