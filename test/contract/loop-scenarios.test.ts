import { describe, expect, it } from "vitest";
import { playScenario } from "../helpers/loop-scenario-runner.ts";
import { CHOICES, LIMITS } from "../helpers/loop-scenarios-choices.ts";
import { ANSWER_FIELDS, REQUEST_FIELDS } from "../helpers/loop-scenarios-fields.ts";
import { MEMORY } from "../helpers/loop-scenarios-memory.ts";
import { MIXED_ROUNDS } from "../helpers/loop-scenarios-mixed.ts";
import { RESULTS } from "../helpers/loop-scenarios-results.ts";
import { ROUNDS } from "../helpers/loop-scenarios-rounds.ts";

const GROUPS = {
  "the rounds of a turn": ROUNDS,
  "the results of calls": RESULTS,
  "which tools the model is offered": CHOICES,
  "when the tool loop stops": LIMITS,
  "server and client calls in one round": MIXED_ROUNDS,
  "what the model keeps of earlier turns": MEMORY,
  "fields of the answer": ANSWER_FIELDS,
  "fields of the request": REQUEST_FIELDS,
};

describe.each(Object.entries(GROUPS))("%s", (_group, scenarios) => {
  it.each(scenarios.map((scenario) => [scenario.title, scenario] as const))(
    "%s, streamed and whole",
    async (_title, scenario) => {
      const sent = await playScenario(scenario);
      expect(sent.streamed, "what upstream is sent").toEqual(sent.whole);
    },
  );
});
