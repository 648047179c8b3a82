/** What the database holds of responses that nobody may keep: by key, or by request. */
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { here } from "../helpers/proxy.ts";
import { askResponse, keyWithAdder, sentInput } from "../helpers/response-turn.ts";
import { functionCall, message, reasoning, says } from "../helpers/responses-upstream.ts";

type Json = Record<string, unknown>;

const QUESTION = "the client's own question";
const NARRATION = "the model's words before a call";
const ANSWER = "the model's last words";
const THOUGHT = "what the model tells of its thoughts";
const ASK_USER = {
  type: "function",
  name: "ask_user",
  strict: false,
  parameters: { type: "object", properties: {} },
};

async function rowsOf(keyId: string): Promise<Json[]> {
  const database = here.inProcess?.platform.database;
  if (database === undefined) throw new Error("There is no proxy in this process");
  return [
    ...(await database.execute(sql`select * from kept_responses where api_key_id = ${keyId}`)),
  ];
}

const KINDS: { kind: string; fields: Json; body: Json }[] = [
  { kind: "a key that logs metadata", fields: { logContent: "metadata" }, body: {} },
  { kind: "store: false", fields: {}, body: { store: false } },
  {
    kind: "both",
    fields: { logContent: "metadata" },
    body: { store: false, include: ["reasoning.encrypted_content"] },
  },
];

describe.each(KINDS)("Of a response of $kind", ({ fields, body }) => {
  it.each([true, false])("what its client saw is not kept, streamed %s", async (stream) => {
    const key = await keyWithAdder(
      (add) => [
        says([reasoning(THOUGHT), message(NARRATION), functionCall("call_1", add, { a: 2, b: 3 })]),
        says([message(ANSWER)]),
      ],
      fields,
    );
    const seen = await askResponse(key, {
      ...body,
      input: QUESTION,
      instructions: QUESTION,
      stream,
    });
    expect(JSON.stringify(seen.output)).toContain(NARRATION);
    const rows = await rowsOf(key.id);
    expect(rows).toHaveLength(1);
    const text = JSON.stringify(rows);
    for (const words of [QUESTION, NARRATION, ANSWER, THOUGHT]) expect(text).not.toContain(words);
    expect(rows[0]).toMatchObject({ is_stored: false, input: "[]", sent: null, body: "{}" });
    expect(text, "the hidden round is needed").toContain("call_1");
  });

  it("nothing is kept of what was said where nothing was hidden", async () => {
    const key = await keyWithAdder(() => [says([message(ANSWER)])], fields);
    await askResponse(key, { ...body, input: QUESTION });
    const text = JSON.stringify(await rowsOf(key.id));
    for (const words of [QUESTION, ANSWER]) expect(text).not.toContain(words);
  });

  it("the arguments of a call are its client's to bring back", async () => {
    const key = await keyWithAdder(
      (add) => [
        says([
          functionCall("call_1", add, { a: 2, b: 3 }),
          functionCall("call_ask", "ask_user", { words: ANSWER }),
        ]),
        says([message("Fine.")]),
      ],
      fields,
    );
    const asked = { ...body, tools: [ASK_USER] };
    const { output } = await askResponse(key, { ...asked, input: QUESTION });
    expect(JSON.stringify(await rowsOf(key.id))).not.toContain(ANSWER);
    const result = { type: "function_call_output", call_id: "call_ask", output: "yes" };
    const input = [{ role: "user", content: QUESTION }, ...output, result];
    await askResponse(key, { ...asked, input });
    const sent = sentInput(key.upstream, 1);
    expect(sent.map(({ type, role, call_id: id }) => [type ?? role, id])).toEqual([
      ["user", undefined],
      ["function_call", "call_1"],
      ["function_call", "call_ask"],
      ["function_call_output", "call_1"],
      ["function_call_output", "call_ask"],
    ]);
    expect(JSON.stringify(sent[2])).toContain(ANSWER);
  });

  it.each([
    ["its own", {}],
    ["the same", { id: "msg_0" }],
  ])("the model finds its round, and its client's words, where ids are %s", async (_ids, more) => {
    const key = await keyWithAdder(
      (add) => [
        says([message(NARRATION, more), functionCall("call_1", add, { a: 2, b: 3 })]),
        says([message(ANSWER, more)]),
        says([message("Yes.")]),
      ],
      fields,
    );
    const { output } = await askResponse(key, { ...body, input: QUESTION });
    const user = { role: "user", content: QUESTION };
    const sure = { role: "user", content: "Sure?" };
    await askResponse(key, { ...body, input: [user, ...output, sure] });
    const sent = sentInput(key.upstream, 2);
    expect(sent.map(({ type, role, call_id: id }) => id ?? role ?? type)).toEqual([
      "user",
      "assistant",
      "call_1",
      "call_1",
      "assistant",
      "user",
    ]);
    expect(JSON.stringify(sent[1])).toContain(NARRATION);
    expect(JSON.stringify(sent[4])).toContain(ANSWER);
  });
});
