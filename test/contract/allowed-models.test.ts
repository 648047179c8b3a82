/** A key with `allowedModels` fails closed: what cannot be judged is refused, with a reason. */
import { describe, expect, it } from "vitest";
import { callTool } from "../helpers/mcp-http.ts";
import { proxy } from "../helpers/proxy.ts";
import {
  ask,
  FILE,
  form,
  FORM_TYPE,
  part,
  passed,
  refused,
  type SpelledRequest,
} from "../helpers/restricted-key.ts";
import { completion, startUpstream } from "../helpers/upstream.ts";

const chat = (body: string): SpelledRequest => ({ path: "/chat/completions", body });
const posted = (path: string, body: unknown): SpelledRequest => ({
  path,
  body: JSON.stringify(body),
});
const bare = (path: string, method = "GET"): SpelledRequest => ({ path, method });
const transcribed = (...parts: string[]): SpelledRequest => ({
  path: "/audio/transcriptions",
  headers: FORM_TYPE,
  body: form(FILE, ...parts),
});
const CHEAP_PART = part('name="model"', "cheap");
const IMAGE_TOOL = { type: "image_generation" };
const REALTIME = { type: "realtime", model: "cheap" };
const heard = (model: string) => ({ input: { transcription: { model } } });

const REFUSED: [string, SpelledRequest, string][] = [
  ["another model", chat('{"model":"dear"}'), 'may not use the model "dear"'],
  ["another spelling beside it", chat('{"MODEL":"dear","model":"cheap"}'), '"MODEL"'],
  ["another spelling alone", chat('{"Model":"cheap"}'), '"Model"'],
  ["the model twice", chat('{"model":"dear","model":"cheap"}'), '"model" twice'],
  ["the model twice, once escaped", chat('{"mod\\u0065l":"dear","model":"cheap"}'), "twice"],
  ["a model that is an array", chat('{"model":["cheap"]}'), '"model" is not a text'],
  ["a model that is an object", chat('{"model":{"id":"cheap"}}'), '"model" is not a text'],
  ["a model that is null", chat('{"model":null}'), '"model" is not a text'],
  ["a model that is a number", chat('{"model":4}'), '"model" is not a text'],
  ["no model", chat('{"messages":[]}'), 'no "model"'],
  ["no body", { ...chat(""), method: "POST" }, 'no "model"'],
  ["a list", chat('[{"model":"cheap"}]'), "not a JSON object"],
  ["NaN", chat('{"model":"cheap","top_p":NaN}'), "not strict JSON"],
  ["a trailing comma", chat('{"model":"cheap",}'), "not strict JSON"],
  ["a comment", chat('{"model":"cheap"/*,"model":"dear"*/}'), "not strict JSON"],
  ["single quotes", chat("{'model':'cheap'}"), "not strict JSON"],
  ["two documents", chat('{"model":"cheap"}{"model":"dear"}'), "not strict JSON"],
  ["UTF-16", { ...chat(""), body: Buffer.from('\uFEFF{"model":"cheap"}', "utf16le") }, "not UTF-8"],
  [
    "a form where JSON is read",
    {
      path: "/chat/completions",
      headers: ["content-type", "application/x-www-form-urlencoded"],
      body: "model=cheap",
    },
    "application/x-www-form-urlencoded",
  ],
  [
    "two model parts",
    transcribed(CHEAP_PART, part('name="model"', "dear")),
    'the part "model" twice',
  ],
  ["another spelling of a part", transcribed(CHEAP_PART, part('name="Model"', "dear")), '"Model"'],
  ["a form without a model", transcribed(), 'no "model"'],
  ["another model in a form", transcribed(part('name="model"', "dear")), '"dear"'],
  [
    "a query with another model",
    { ...chat('{"model":"cheap"}'), path: "/chat/completions?model=dear" },
    '"dear"',
  ],
  [
    "query and body with two allowed ones",
    { ...chat('{"model":"cheap"}'), path: "/chat/completions?model=owner/cheap" },
    "two models",
  ],
  ["a batch", posted("/batches", { input_file_id: "file-1", model: "cheap" }), "input file"],
  ["a stored prompt", posted("/responses", { prompt: { id: "pmpt_1" } }), "stored prompt"],
  [
    "a client secret for another model",
    posted("/realtime/client_secrets", { session: { ...REALTIME, model: "dear" } }),
    '"dear"',
  ],
  ["a client secret for any model", posted("/realtime/client_secrets", {}), "no model"],
  [
    "a client secret without a model",
    posted("/realtime/client_secrets", { session: { type: "realtime" } }),
    '"session.model"',
  ],
  [
    "a client secret that transcribes with another model",
    posted("/realtime/client_secrets", { session: { ...REALTIME, audio: heard("dear") } }),
    '"dear"',
  ],
  [
    "a nested spelling",
    posted("/realtime/client_secrets", { session: REALTIME, Session: { model: "dear" } }),
    '"Session"',
  ],
  [
    "a nested member twice",
    { path: "/responses", body: '{"model":"cheap","tools":[],"tools":[{"model":"dear"}]}' },
    '"tools" twice',
  ],
  ["a run of an assistant", posted("/threads/runs", { assistant_id: "asst_1" }), "assistant"],
  ["a run in a thread", posted("/threads/thread_1/runs", { assistant_id: "asst_1" }), "assistant"],
  [
    "the outputs of a run's tools",
    posted("/threads/thread_1/runs/run_1/submit_tool_outputs", { tool_outputs: [] }),
    "the run",
  ],
  [
    "a run of an eval",
    posted("/evals/eval_1/runs", { data_source: { type: "completions", model: "cheap" } }),
    "the eval",
  ],
  [
    "an eval graded by another model",
    posted("/evals", { testing_criteria: [{ type: "score_model", model: "dear" }] }),
    '"dear"',
  ],
  [
    "an image tool with another model",
    posted("/responses", { model: "cheap", tools: [{ ...IMAGE_TOOL, model: "dear" }] }),
    '"dear"',
  ],
  [
    "an image tool that names no model",
    posted("/responses", { model: "cheap", tools: [IMAGE_TOOL] }),
    '"tools[].model"',
  ],
  [
    "an image tool with another model, in a namespace",
    posted("/responses", {
      model: "cheap",
      tools: [{ type: "namespace", name: "n", tools: [{ ...IMAGE_TOOL, model: "dear" }] }],
    }),
    '"dear"',
  ],
  [
    "a choice of tool with another model",
    posted("/responses", { model: "cheap", tool_choice: { ...IMAGE_TOOL, model: "dear" } }),
    '"dear"',
  ],
  [
    "a compaction by another model",
    posted("/responses", {
      model: "cheap",
      context_management: [{ type: "compaction", model: "dear" }],
    }),
    '"dear"',
  ],
  [
    "an assistant's tool with another model",
    posted("/assistants", { model: "cheap", tools: [{ type: "function", model: "dear" }] }),
    '"dear"',
  ],
  [
    "a run's tool with another model",
    posted("/threads/runs", {
      assistant_id: "asst_1",
      model: "cheap",
      tools: [{ type: "function", model: "dear" }],
    }),
    '"dear"',
  ],
  [
    "a fine-tuning job graded by another model",
    posted("/fine_tuning/jobs", {
      model: "cheap",
      method: { reinforcement: { grader: { graders: { a: { model: "dear" } } } } },
    }),
    '"dear"',
  ],
  [
    "a deployment",
    posted("/openai/deployments/dear/chat/completions?api-version=2024-10-21", {}),
    '"dear"',
  ],
  ["an engine", posted("/engines/dear/completions", { prompt: "a" }), '"dear"'],
  ["reading another model", bare("/models/dear"), '"dear"'],
  ["a default of images", posted("/images/generations", { prompt: "a" }), 'no "model"'],
  ["a default of moderations", posted("/moderations", { input: "a" }), 'no "model"'],
  ["a default of videos", posted("/videos", { prompt: "a" }), 'no "model"'],
  ["a remix of a video", posted("/videos/video_1/remix", { prompt: "a" }), "the video"],
  ["a workflow", posted("/chatkit/sessions", { workflow: { id: "wf_1" } }), "workflow"],
  ["a WebSocket without a model", bare("/realtime"), 'no "model"'],
  ["an unknown endpoint without a model", posted("/rerank", { query: "a" }), 'no "model"'],
  [
    "an unknown endpoint with another model somewhere",
    posted("/rerank", { model: "cheap", options: [{ model: "dear" }] }),
    '"dear"',
  ],
];

const PASSED: [string, SpelledRequest][] = [
  ["a chat", chat('{ "seed": 12345678901234567890, "temperature": 1.0, "model": "cheap" }')],
  ["a model with escapes", chat('{"model":"che\\u0061p"}')],
  ["a byte order mark", chat('\uFEFF{"model":"cheap"}')],
  [
    "a model in metadata and in a tool's schema",
    posted("/chat/completions", {
      model: "cheap",
      metadata: { model: "dear" },
      tools: [{ type: "function", function: { name: "a", parameters: { Model: {}, model: {} } } }],
    }),
  ],
  ["a form", transcribed(CHEAP_PART)],
  [
    "a form with a quoted boundary",
    {
      ...transcribed(CHEAP_PART),
      headers: ["content-type", 'multipart/form-data; boundary="x-b"'],
    },
  ],
  ["a stored prompt with a model", posted("/responses", { model: "cheap", prompt: { id: "p" } })],
  [
    "an image tool with an allowed model",
    posted("/responses", { model: "cheap", tools: [{ ...IMAGE_TOOL, model: "owner/cheap" }] }),
  ],
  [
    "tools and a choice of them without a model",
    posted("/responses", {
      model: "cheap",
      tools: [{ type: "namespace", name: "n", tools: [{ type: "function", name: "f" }] }],
      tool_choice: { type: "function", name: "f" },
      context_management: [{ type: "compaction" }],
    }),
  ],
  ["a choice of tools by a word", posted("/responses", { model: "cheap", tool_choice: "auto" })],
  [
    "a client secret",
    posted("/realtime/client_secrets", { session: { ...REALTIME, audio: heard("cheap") } }),
  ],
  ["a run with a model", posted("/threads/runs", { assistant_id: "asst_1", model: "cheap" })],
  ["a deployment", posted("/openai/deployments/cheap/chat/completions", { messages: [] })],
  ["an engine", posted("/engines/cheap/completions", { prompt: "a" })],
  ["the list of models", bare("/models")],
  ["an allowed model", bare("/models/owner/cheap")],
  ["a list of objects", bare("/responses")],
  ["an object", bare("/responses/resp_1")],
  ["a filter of an account's usage", bare("/organization/usage/completions?models=dear&limit=5")],
  ["a deletion", bare("/files/file-1", "DELETE")],
  ["a cancellation", bare("/batches/batch_1/cancel", "POST")],
  ["what takes no model", posted("/vector_stores", { name: "a" })],
  ["a query that agrees", { ...chat('{"model":"cheap"}'), path: "/chat/completions?model=cheap" }],
  ["an unknown endpoint", posted("/rerank", { model: "cheap", texts: [{ a: {} }, {}] })],
  ["an unknown deletion", bare("/things/1", "DELETE")],
];

describe("a key with allowed models", () => {
  it.each(REFUSED)("is refused %s", async (_title, request, words) => {
    expect(await ask(request)).toEqual(refused(words));
  });

  it.each(PASSED)("may send %s, and upstream gets its bytes", async (_title, request) => {
    expect(await ask(request)).toEqual(passed(request));
  });

  it("uploads 70 MB that the proxy does not read", async () => {
    const body = Buffer.alloc(70 * 1024 * 1024, "model=dear ");
    const upload = { path: "/files", headers: FORM_TYPE, body };
    expect(await ask(upload)).toEqual(passed(upload));
  });

  it("is refused another spelling of the model in a tool of /mcp", async () => {
    const upstream = await startUpstream(completion({ content: "hi" }));
    const { key } = await proxy.createKey({
      openaiBaseUrl: upstream.url,
      allowedModels: ["cheap"],
    });
    for (const [tool, args] of [
      ["chat", { prompt: "hi", model: "cheap", Model: "dear" }],
      ["embed", { input: "hi", model: "cheap", MODEL: "dear" }],
    ] as const)
      expect(await callTool(key, tool, args), tool).toMatchObject({
        isError: true,
        _meta: { "openai-proxy-server/error": { status: 403, code: "model_not_allowed" } },
      });
    expect(upstream.requests).toEqual([]);
    expect(await callTool(key, "chat", { prompt: "hi" })).toMatchObject({
      content: [{ text: "hi" }],
    });
  });
});
