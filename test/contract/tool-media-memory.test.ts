/**
 * What becomes of images of tools in later rounds and turns, where upstream refuses them, and on
 * record.
 */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  conversation,
  dataUrl,
  gives,
  image,
  looks,
  roles,
  sent,
  shown,
  text,
} from "../helpers/looking-model.ts";
import { largePng, PNG } from "../helpers/media-server.ts";
import { proxy } from "../helpers/proxy.ts";
import { completion, json, toolCall, type Answer } from "../helpers/upstream.ts";

const refusal = (message: string, code: string | null = null, status = 400) =>
  json({ error: { message, type: "invalid_request_error", param: "messages", code } }, status);

/** Refuses every request with an image in it. */
const blind =
  (answers: Answer[], refuse = refusal("this model does not support image input")): Answer =>
  (request, response) => {
    if (request.body.includes("image_url")) return refuse(request, response);
    return (answers.shift() ?? completion({ content: "The script has ended." }))(request, response);
  };

describe("an upstream that refuses images", () => {
  it.each([false, true])(
    "is asked again without them, and from then on without asking (stream: %s)",
    async (stream) => {
      const tools: string[] = [];
      const answers: Answer[] = [];
      const { tool, upstream, ask } = await conversation(gives(image()), () => [blind(answers)]);
      tools.push(tool.name);
      answers.push(
        ...looks("call_1")(tool.name).slice(0, 2),
        ...looks("call_2")(tool.name).slice(0, 2),
      );
      const model = `gpt-4o-${crypto.randomUUID()}`;
      const { body, id } = await ask("Look.", { model, stream });
      expect(body).toContain("I see.");
      expect(upstream.requests).toHaveLength(3);
      expect(roles(sent(upstream, 2))).toEqual(["user", "assistant", "tool"]);
      const { messages } = await proxy.conversation(id);
      expect(messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool", "assistant"]);
      if (stream) return;
      await ask("Look again.", { model });
      expect(
        upstream.requests.slice(3).map((request) => request.body.includes("image_url")),
      ).toEqual([false, false]);
    },
  );

  it.each([false, true])(
    "that took them before does not end a conversation (stream: %s)",
    async (stream) => {
      const answers: Answer[] = [];
      let isBlind = false;
      const { tool, upstream, ask } = await conversation(gives(image()), () => [
        (request, response) =>
          (isBlind ? blind(answers) : (answers.shift() ?? blind([])))(request, response),
      ]);
      answers.push(...looks("call_1")(tool.name));
      const model = `gpt-4o-${crypto.randomUUID()}`;
      await ask("Look.", { model });
      isBlind = true;
      expect((await ask("And now?", { model, stream })).body).toContain("Still.");
      const [refused, taken] = [sent(upstream, 2), sent(upstream, 3)];
      expect(roles(refused)).toEqual(["user", "assistant", "tool", "user", "assistant", "user"]);
      expect(roles(taken)).toEqual(["user", "assistant", "tool", "assistant", "user"]);
    },
  );

  it.each([
    ["is broken", refusal("The image could not be read.", "invalid_image_format")],
    ["is too large", refusal("Request Entity Too Large", null, 413)],
  ])("because one %s is shown the next one all the same", async (_title, refused) => {
    const answers: Answer[] = [];
    const { tool, upstream, ask } = await conversation(gives(image()), () => [
      blind(answers, refused),
    ]);
    answers.push(
      ...looks("call_1")(tool.name).slice(0, 2),
      ...looks("call_2")(tool.name).slice(0, 2),
    );
    const model = `gpt-4o-${crypto.randomUUID()}`;
    await ask("Look.", { model });
    await ask("Look again.", { model });
    expect(upstream.requests.map((request) => request.body.includes("image_url"))).toEqual([
      false,
      true,
      false,
      false,
      true,
      false,
    ]);
  });

  it("for another reason is not asked a third time, and its own error comes back", async () => {
    const { tool, upstream } = await conversation(gives(image()), (name) => [
      completion({ tool_calls: [toolCall("call_1", name, {})] }),
      refusal("no more credit", "insufficient_quota"),
    ]);
    const { key } = await proxy.createKey({ toolIds: [tool.id], openaiBaseUrl: upstream.url });
    const failure = await proxy
      .client(key)
      .chat.completions.create({
        model: `gpt-4o-${crypto.randomUUID()}`,
        messages: [{ role: "user", content: "Look." }],
      })
      .catch((thrown: unknown) => thrown);
    expect(failure).toMatchObject({ status: 400, code: "insufficient_quota" });
    expect(upstream.requests).toHaveLength(3);
  });
});

describe("images in the memory of a conversation", () => {
  it("come back with the hidden rounds of a finished turn, in the same place", async () => {
    const { upstream, ask } = await conversation(gives(image()), looks("call_1"));
    await ask("Look.");
    await ask("And now?");
    const [second, third] = [sent(upstream, 1), sent(upstream, 2)];
    expect(roles(third)).toEqual(["user", "assistant", "tool", "user", "assistant", "user"]);
    expect(third.slice(0, 4)).toEqual(second);
    await ask("And then?");
    expect(sent(upstream, 3).slice(0, 6)).toEqual(third);
  });

  it("do not come back where the conversation goes on with a model that takes none", async () => {
    const { upstream, ask } = await conversation(gives(image()), looks("call_1"));
    await ask("Look.");
    await ask("And now?", { model: "gpt-3.5-turbo" });
    expect(roles(sent(upstream, 2))).toEqual(["user", "assistant", "tool", "assistant", "user"]);
    await ask("And then?");
    expect(roles(sent(upstream, 3)), "and are there again for one that does").toContain("user");
    expect(shown(sent(upstream, 3)[3])).toContain(dataUrl(PNG));
  });

  it("do not come back where they are large: the model is told what it saw", async () => {
    const { upstream, ask } = await conversation(
      gives(image(largePng(1_000_000))),
      looks("call_1"),
    );
    await ask("Look.");
    await ask("And now?");
    const third = sent(upstream, 2);
    expect(shown(third[3])).toEqual([
      expect.stringContaining("image 1: image/png, 1.0 MB"),
      "[image/png, 1.0 MB: too large to be kept in the history]",
    ]);
    expect(upstream.requests[2]?.body.byteLength).toBeLessThan(20_000);
  });

  it("of a round with calls of the client's own are shown after all of its results", async () => {
    const own = {
      type: "function",
      function: { name: "ask_user", parameters: { type: "object", properties: {} } },
    };
    const { upstream, ask } = await conversation(gives(image(largePng(1_000_000))), (name) => [
      completion({ tool_calls: [toolCall("call_1", name, {}), toolCall("own_1", "ask_user", {})] }),
      completion({ content: "Good." }),
      completion({ content: "Still good." }),
    ]);
    await ask("Look.", { tools: [own] });
    await ask([{ role: "tool", tool_call_id: "own_1", content: "yes" }], { tools: [own] });
    const second = sent(upstream, 1);
    expect(second.map(({ role, tool_call_id: id }) => id ?? role)).toEqual([
      "user",
      "assistant",
      "call_1",
      "own_1",
      "user",
    ]);
    expect(shown(second[4])).toContain(dataUrl(largePng(1_000_000)));
    await ask("And now?", { tools: [own] });
    const history = ["user", "assistant", "call_1", "own_1", "user", "assistant", "user"];
    expect(sent(upstream, 2).map(({ role, tool_call_id: id }) => id ?? role)).toEqual(history);
  });
});

describe("the record of what tools showed", () => {
  it("has each image by type, size and hash, and not its bytes", async () => {
    const { ask } = await conversation(
      gives(text("a chart"), image(largePng(3000))),
      looks("call_1"),
    );
    const { id } = await ask("Look.");
    const detail = await proxy.conversation(id);
    expect(detail.messages.map(({ role, hidden, round }) => [role, hidden, round])).toEqual([
      ["user", false, null],
      ["assistant", true, 1],
      ["tool", true, 1],
      ["user", true, 1],
      ["assistant", false, 2],
    ]);
    const bytes = Buffer.from(largePng(3000), "base64");
    const stored = {
      sha256: createHash("sha256").update(bytes).digest("hex"),
      bytes: bytes.byteLength,
      mediaType: "image/png",
    };
    expect(detail.messages[3]?.content).toEqual([
      { type: "text", text: expect.stringContaining("call_1: image 2: image/png, 3.1 kB") },
      { type: "image_url", image_url: { url: { stored } } },
    ]);
    expect(JSON.stringify(detail)).not.toContain(largePng(3000).slice(0, 300));
    expect(detail.toolExecutions[0]?.result).toBe("a chart\n[image 2: image/png, 3.1 kB]");
  });
});
