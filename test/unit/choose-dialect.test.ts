/** In which dialect upstream is asked: the rows of the choice, and what refusals teach. */
import { describe, expect, it } from "vitest";
import { readConfig } from "../../src/config/read-config.ts";
import { chatDialect } from "../../src/dialects/chat/chat-dialect.ts";
import type { Dialect, DialectRequest, Translation } from "../../src/dialects/dialect.ts";
import { responsesDialect } from "../../src/dialects/responses/responses-dialect.ts";
import { Memory } from "../../src/memory.ts";
import { UpstreamRefusal } from "../../src/openai/upstream-error.ts";
import {
  chooseDialect,
  choosingOf,
  foreignDialect,
  type Choosing,
  type DialectChoice,
} from "../../src/upstream/choose-dialect.ts";
import { knownDialects } from "../../src/upstream/known-dialects.ts";
import { SETTINGS } from "../helpers/settings.ts";

type Json = Record<string, unknown>;

/** Rows that take what has no seed, and leave out the user. */
const rowOf = (from: string, to: string): Translation => ({
  from,
  to,
  refuses: ({ text }) => (text.includes('"seed"') ? "`seed` has no counterpart there" : null),
  dropped: ({ text }) => (text.includes('"user":') ? ["`user` was left out"] : []),
  request: ({ model }) => JSON.stringify({ model, input: "translated", messages: [] }),
  items: (items) => items,
});
const TABLE = [rowOf("chat", "responses"), rowOf("responses", "chat")];

const BODIES = new Map<Dialect, Json>([
  [chatDialect, { messages: [{ role: "user", content: "hi" }] }],
  [responsesDialect, { input: "hi" }],
]);

function read(more: Json = {}, client = chatDialect): DialectRequest {
  const body = { model: "m", ...BODIES.get(client), ...more };
  const request = client.readRequest(JSON.stringify(body));
  if (request === null) throw new Error("That is no request");
  return request;
}

/** What a choice depends on; by default a client of chat completions, and nothing is known. */
const choosing = (more: Partial<Choosing> = {}): Choosing => ({
  client: chatDialect,
  setting: "auto",
  offered: null,
  known: knownDialects(new Memory(), "https://a.example/v1"),
  ...more,
});

function choose(given: Choosing, request: DialectRequest, table = TABLE): DialectChoice {
  return chooseDialect(given, () => request, foreignDialect(given), table);
}

const refused = (status: number, error: Json | string) =>
  new UpstreamRefusal({ status, headers: {}, body: null }, { error });
const NO_TOOLS = refused(400, {
  message:
    "Function tools with reasoning_effort are not supported for gpt-5.6-terra in " +
    "/v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
  type: "invalid_request_error",
  param: "reasoning_effort",
  code: null,
});
const ABSENT = refused(404, {
  message: "Unknown request URL: POST /openai/v1/responses. Please check the URL for typos.",
  type: "invalid_request_error",
  code: "unknown_url",
});

describe("The setting", () => {
  it("auto is the client's own dialect", () => {
    for (const client of [chatDialect, responsesDialect])
      expect(foreignDialect(choosing({ client }))).toBeNull();
  });

  it("names a dialect, which is no other for a client of the same", () => {
    const toOf = (client: Dialect, setting: Choosing["setting"]) =>
      foreignDialect(choosing({ client, setting }))?.to ?? null;
    expect(toOf(chatDialect, "chat")).toBeNull();
    expect(toOf(responsesDialect, "responses")).toBeNull();
    expect(toOf(responsesDialect, "chat")).toBe(chatDialect);
    expect(toOf(chatDialect, "responses")).toBe(responsesDialect);
  });

  it("is the key's, and the server's where the key has none", () => {
    const config = readConfig({ ...SETTINGS, UPSTREAM_DIALECT: "chat" });
    const platform = { config, memory: new Memory() };
    const settingOf = (upstreamDialect: Choosing["setting"] | null) =>
      choosingOf(platform, { upstreamDialect, openaiBaseUrl: null }, chatDialect).setting;
    expect([null, "auto", "responses"].map((own) => settingOf(own as null))).toEqual([
      "chat",
      "auto",
      "responses",
    ]);
    expect(readConfig(SETTINGS).upstreamDialect).toBe("auto");
    const wrong = { ...SETTINGS, UPSTREAM_DIALECT: "messages" };
    expect(() => readConfig(wrong)).toThrow(/UPSTREAM_DIALECT is "messages"/);
  });

  it("that names a dialect leaves nothing to learn", () => {
    const set = choosing({ setting: "chat", offered: read() });
    expect(choose(set, read()).instead(NO_TOOLS, [])).toBeNull();
    const other = choosing({ setting: "responses", client: responsesDialect });
    expect(choose(other, read({}, responsesDialect)).instead(ABSENT, [])).toBeNull();
  });
});

describe("A request whose dialect is chosen", () => {
  const set = choosing({ setting: "responses" });

  it("is translated where a row can, and the record has what was left out", () => {
    const { spoken, translation, notes } = choose(set, read({ user: "u" }));
    expect(spoken).toBe(responsesDialect);
    expect(translation.toUpstream(read()).text).toContain("translated");
    expect(notes).toEqual([
      "Asked over responses, because UPSTREAM_DIALECT or the key says so",
      "`user` was left out",
    ]);
  });

  it("keeps the client's dialect where the row refuses it, and the record says why", () => {
    const { spoken, notes } = choose(set, read({ seed: 1 }));
    expect(spoken).toBe(chatDialect);
    expect(notes).toEqual([
      "Asked over chat, and not over responses (because UPSTREAM_DIALECT or the key says so): " +
        "`seed` has no counterpart there",
    ]);
  });

  it("keeps the client's dialect where there is no row", () => {
    const { spoken, notes } = choose(set, read(), []);
    expect(spoken).toBe(chatDialect);
    expect(notes).toEqual([expect.stringContaining("there is no translation")]);
  });
});

describe("Tools are offered to a model", () => {
  it.each<[model: string, effort: string | null | undefined, dialect: string]>([
    ["gpt-5.3", "high", "chat"],
    ["gpt-5.4", undefined, "chat"],
    ["gpt-5.4", null, "chat"],
    ["gpt-5.4", "none", "chat"],
    ["gpt-5.4", "low", "responses"],
    ["gpt-5.4-mini-2026-03-05", "high", "responses"],
    ["gpt-5.5", "medium", "responses"],
    ["gpt-5.5", undefined, "chat"],
    ["gpt-5.6", undefined, "responses"],
    ["gpt-5.6", "none", "chat"],
    ["gpt-5.6-sol", null, "responses"],
    ["gpt-5.6-terra", "minimal", "responses"],
    ["ft:gpt-5.6-luna:org::1", undefined, "responses"],
    ["gpt-5.10", undefined, "responses"],
    ["gpt-6", undefined, "responses"],
    ["gpt-6.1-mini", "low", "responses"],
    ["gpt-5", "high", "chat"],
    ["gpt-4.1", undefined, "chat"],
    ["gpt-35-turbo", undefined, "chat"],
    ["gpt-oss-120b", "high", "chat"],
    ["llama-gpt-5.6", undefined, "chat"],
  ])("%s with effort %s over %s", (model, effort, dialect) => {
    const offered = read({ model, ...(effort === undefined ? {} : { reasoning_effort: effort }) });
    expect(choose(choosing({ offered }), offered).spoken.name).toBe(dialect);
    // Without them, and where upstream is known to have no other, it goes as it came.
    expect(choose(choosing(), offered).spoken).toBe(chatDialect);
    const known = knownDialects(new Memory(), "https://a.example/v1");
    known.rememberLack();
    expect(choose(choosing({ offered, known }), offered).spoken).toBe(chatDialect);
  });
});

describe("A refusal of tools on chat completions", () => {
  it("leads to Responses, which is remembered of the model when upstream has answered", () => {
    const offered = read();
    const given = choosing({ offered });
    const other = choose(given, offered).instead(NO_TOOLS, []);
    expect(other?.spoken).toBe(responsesDialect);
    expect(other?.notes).toEqual([
      expect.stringMatching(
        /^Asked again over responses, because .*refused with 400: Function too/,
      ),
    ]);
    expect(choose(given, offered).spoken).toBe(chatDialect);
    other?.answered();
    const next = choose(given, offered);
    expect(next.spoken).toBe(responsesDialect);
    expect(next.notes).toEqual([
      "Asked over responses, because the model takes no function tools on chat completions",
    ]);
    const another = read({ model: "n" });
    expect(choose({ ...given, offered: another }, another).spoken).toBe(chatDialect);
  });

  it("is the milder form's alone without tools, or where Responses cannot carry it", () => {
    expect(choose(choosing(), read()).instead(NO_TOOLS, [])).toBeNull();
    const notes: string[] = [];
    const offered = read({ seed: 1 });
    expect(choose(choosing({ offered }), offered).instead(NO_TOOLS, notes)).toBeNull();
    expect(notes).toEqual([
      "Not asked again over responses, although the model takes no function tools on chat " +
        "completions: `seed` has no counterpart there",
    ]);
  });

  it("leads back to chat completions where there is nothing else, and never again", () => {
    const offered = read();
    const given = choosing({ offered });
    const back = choose(given, offered).instead(NO_TOOLS, [])?.instead(ABSENT, []);
    expect(back?.spoken).toBe(chatDialect);
    expect(back?.instead(NO_TOOLS, [])).toBeNull();
    back?.answered();
    expect(given.known.lacksResponses()).toBe(true);
    expect(choose(given, offered).instead(NO_TOOLS, [])).toBeNull();
  });

  it("over Responses, too, leads back to chat completions", () => {
    const offered = read({ model: "gpt-5.6" });
    const given = choosing({ offered });
    const back = choose(given, offered).instead(NO_TOOLS, []);
    expect(back?.spoken).toBe(chatDialect);
    back?.answered();
    expect(given.known.lacksResponses()).toBe(false);
    expect(choose(given, offered).spoken).toBe(chatDialect);
  });

  it("is undone where upstream does not take the request over Responses", () => {
    const offered = read({ model: "gpt-5.6" });
    const given = choosing({ offered });
    const choice = choose(given, offered);
    for (const status of [429, 500, 503])
      expect(choice.back(refused(status, { message: "No" }))).toBeNull();
    const unknown = refused(400, { message: "Unknown parameter: 'include'." });
    const back = choice.back(unknown);
    expect(back?.spoken).toBe(chatDialect);
    expect(back?.notes).toEqual([
      "Asked again over chat, because the request is not taken over responses: " +
        "upstream refused with 400: Unknown parameter: 'include'.",
    ]);
    expect([back?.instead(NO_TOOLS, []), back?.back(unknown)]).toEqual([null, null]);
    back?.answered();
    expect(choose(given, offered).spoken).toBe(responsesDialect);
  });

  it("is remembered as undone where upstream gives the model to nobody over Responses", () => {
    const offered = read({ model: "gpt-5.6" });
    const given = choosing({ offered });
    const scopes = { message: "Missing scopes: api.responses.write" };
    choose(given, offered).back(refused(403, scopes))?.answered();
    expect(choose(given, offered).spoken).toBe(chatDialect);
    expect(choose(given, offered).instead(NO_TOOLS, [])).toBeNull();
  });

  it("is not undone where the client or the operator wants that dialect", () => {
    const unknown = refused(400, { message: "No" });
    const own = choosing({ client: responsesDialect });
    expect(choose(own, read({}, responsesDialect)).back(unknown)).toBeNull();
    const set = choosing({ setting: "responses", offered: read() });
    expect(choose(set, read()).back(unknown)).toBeNull();
  });

  it.each([
    ["another refusal", refused(400, { message: "Unknown parameter: 'seed'." })],
    ["another status", refused(500, { message: "tools with reasoning are not supported" })],
  ])("is not %s", (_title, refusal) => {
    const offered = read();
    expect(choose(choosing({ offered }), offered).instead(refusal, [])).toBeNull();
  });
});

describe("An upstream without a Responses API", () => {
  const client = responsesDialect;

  it.each([
    ["Groq", ABSENT],
    [
      "vLLM",
      new UpstreamRefusal({ status: 404, headers: {}, body: null }, { detail: "Not Found" }),
    ],
    ["llama.cpp", refused(404, { code: 404, message: "File Not Found", type: "not_found_error" })],
    ["a page", new UpstreamRefusal({ status: 404, headers: {}, body: null }, null, "<h1>404</h1>")],
    ["nothing", new UpstreamRefusal({ status: 405, headers: {}, body: null }, null)],
    ["a server of few words", refused(501, { message: "Not implemented" })],
    ["a router", refused(404, { message: "no such route" })],
  ])("is asked over chat completions, and remembered: %s", (_title, refusal) => {
    const request = read({}, client);
    const given = choosing({ client });
    const other = choose(given, request).instead(refusal, []);
    expect(other?.spoken).toBe(chatDialect);
    expect(given.known.lacksResponses()).toBe(false);
    other?.answered();
    expect(choose(given, request).notes).toEqual([
      "Asked over chat, because upstream has no Responses API",
    ]);
  });

  it.each([
    [
      "OpenAI: a model",
      "model_not_found",
      "The model `x` does not exist or you do not have access",
    ],
    ["vLLM: a model", 404, "The model `x` does not exist."],
    ["Ollama: a model", null, "model 'x' not found"],
    [
      "Azure: a deployment",
      "DeploymentNotFound",
      "The API deployment for this resource is not there",
    ],
    ["OpenRouter: tools", 404, "No endpoints found that support tool use."],
    [
      "an item",
      null,
      "Item with id 'rs_1' not found. Items are not persisted when `store` is false.",
    ],
    ["a conversation", null, "Conversation with id 'conv_1' not found."],
    ["a response", "previous_response_not_found", "Previous response with id 'resp_1' not found."],
    ["a file", null, "No such File object: file-1"],
    ["files", null, "The following file IDs were not found: ['file-1']"],
    ["a project", null, "Project not found"],
  ])("is not one that does not find something else: %s", (_title, code, message) => {
    const request = read({}, client);
    const refusal = refused(404, { code, message, type: "invalid_request_error" });
    expect(choose(choosing({ client }), request).instead(refusal, [])).toBeNull();
  });

  it("is not one that refuses a request", () => {
    const choice = choose(choosing({ client }), read({}, client));
    for (const status of [400, 401, 403, 429, 500, 503])
      expect(choice.instead(refused(status, { message: "No" }), [])).toBeNull();
  });
});
