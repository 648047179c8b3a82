/** How much a model is shown of what its tools give, and how much of that is kept. */
import { describe, expect, it } from "vitest";
import { keptMedia, restoredMedia, wordsOnly } from "../../src/dialects/chat/hidden-media.ts";
import { createMediaShow } from "../../src/dialects/chat/show-media.ts";
import type { JsonObject } from "../../src/openai/json.ts";
import type { ToolMedia } from "../../src/openai/tool-media.ts";
import { withoutBytes, withoutMedia } from "../../src/record/stored-content.ts";

const MB = 1024 * 1024;

const image = (length: number, label = "image"): ToolMedia => ({
  kind: "image",
  label,
  mediaType: "image/png",
  data: "A".repeat(length),
});
const sound = (length: number): ToolMedia => ({
  kind: "audio",
  label: "sound",
  mediaType: "audio/mp3",
  data: "A".repeat(length),
});
const result = (id: string, ...media: ToolMedia[]) => ({
  call: { id, name: "look", arguments: "", isCut: false },
  failed: false,
  text: "result",
  media,
});

/** As JSON, without the bytes. */
const inShort = (value: unknown): string => JSON.stringify(value).replace(/A{9,}/g, "…");

/** How many images and sounds are in messages. */
const countIn = (messages: JsonObject[]): number =>
  (inShort(messages).match(/"(?:image_url|input_audio)":\{/g) ?? []).length;
const notesIn = (messages: JsonObject[]): string[] =>
  messages.flatMap(({ content }) => String(content).match(/because it is [^\]]+/g) ?? []);

describe("what is shown of a round", () => {
  const show = () => createMediaShow(() => true);

  it("is eight at most, of all calls together", () => {
    const messages = show()([
      result("a", ...Array.from({ length: 6 }, () => image(10))),
      result("b", ...Array.from({ length: 6 }, () => image(10))),
    ]);
    expect(messages.map(({ role }) => role)).toEqual(["tool", "tool", "user"]);
    expect(countIn(messages)).toBe(8);
    expect(notesIn(messages)).toEqual(
      Array.from({ length: 4 }, () => "because it is one of more than 8 at a time"),
    );
  });

  it("is 5 MB each and 15 MB together, and small ones find a place beside large ones", () => {
    const media = [
      image(5 * MB),
      image(5 * MB + 1),
      image(5 * MB),
      image(4 * MB),
      image(2 * MB),
      image(10),
    ];
    const messages = show()([result("a", ...media)]);
    expect(countIn(messages)).toBe(4);
    expect(notesIn(messages)).toEqual([
      "because it is larger than 5 MB",
      "because it is too large together with the others",
    ]);
  });

  it("is 20 MB in all rounds of a turn", () => {
    const tell = show();
    expect(countIn(tell([result("a", image(5 * MB), image(5 * MB), image(5 * MB))]))).toBe(3);
    expect(countIn(tell([result("b", image(3 * MB), image(3 * MB))]))).toBe(1);
    expect(countIn(tell([result("c", image(MB))]))).toBe(1);
  });

  it("is nothing of a kind that the model does not take, and no word is lost over it", () => {
    const messages = createMediaShow((kind) => kind === "audio")([
      result("a", image(10), sound(10)),
    ]);
    expect(countIn(messages)).toBe(1);
    expect(messages[0]).toEqual({ role: "tool", tool_call_id: "a", content: "result" });
  });
});

const assistant = { role: "assistant", content: null };
const shownOf = (...media: ToolMedia[]) => createMediaShow(() => true)([result("a", ...media)]);

describe("what is kept of it", () => {
  it("is 1 MB of what the model has seen, the newest first, and 6 MB of what it is still to see", () => {
    const seen = [
      assistant,
      ...shownOf(image(600_000, "old")),
      assistant,
      ...shownOf(image(600_000, "new"), image(1.5 * MB, "large")),
    ];
    const kept = keptMedia([...seen, assistant]);
    expect(countIn(kept)).toBe(1);
    expect(inShort(kept)).toMatch(/: new\]"\},\{"type":"image_url"/);
    expect(
      inShort(kept).match(/\[image\/png, [\d.]+ [kM]B: too large to be kept in the history\]/g),
    ).toHaveLength(2);
    expect(countIn(keptMedia([...seen, assistant, ...shownOf(image(5 * MB), image(2 * MB))]))).toBe(
      2,
    );
  });

  it("is untouched where it is small", () => {
    const messages = [assistant, ...shownOf(image(1000), sound(1000)), assistant];
    expect(keptMedia(messages)).toEqual(messages);
  });
});

describe("what is put back", () => {
  const support =
    (...kinds: string[]) =>
    (kind: string) =>
      kinds.includes(kind);
  const texts = (count: number) =>
    new Map(
      Array.from({ length: count }, (_, index) => [
        index,
        JSON.stringify([assistant, ...shownOf(image(MB))]),
      ]),
    );

  it("is 10 MB of the newest turns", () => {
    const restored = [...restoredMedia(texts(12), support("image"))];
    expect(restored.map(([index]) => index)).toEqual(
      Array.from({ length: 12 }, (_, index) => index),
    );
    expect(restored.map(([, text]) => text.includes("image_url"))).toEqual(
      Array.from({ length: 12 }, (_, index) => index >= 2),
    );
  });

  it("is what the model takes, with the words that belong to it", () => {
    const text = JSON.stringify([
      assistant,
      ...shownOf(image(10, "the image"), sound(10)),
      assistant,
    ]);
    const [only] = [...restoredMedia(new Map([[0, text]]), support("audio")).values()];
    expect(only).not.toContain("the image");
    expect(only).toContain('sound]"},{"type":"input_audio"');
    const [none] = [...restoredMedia(new Map([[0, text]]), support()).values()];
    expect(none).toBe(wordsOnly(text));
    expect(JSON.parse(none ?? "")).toHaveLength(3);
  });

  it("stays as it is spelled where nothing was shown", () => {
    const text = '[ {"role": "assistant", "content": "a" } ]';
    expect([...restoredMedia(new Map([[0, text]]), support()).values()]).toEqual([text]);
    expect(wordsOnly(text)).toBe(text);
  });
});

describe("what goes on record", () => {
  it("is small, and what the database would make of the whole", async () => {
    for (const message of shownOf(image(5 * MB), sound(MB))) {
      const recorded = await withoutMedia(message);
      expect(JSON.stringify(recorded).length).toBeLessThan(1000);
      expect(recorded).toEqual({ ...message, content: withoutBytes(message["content"]) });
    }
  });

  it("is a message of the user as it is where it shows nothing", async () => {
    const message = {
      role: "user",
      content: [
        { type: "text", text: "words" },
        { type: "image_url", image_url: { url: 1 } },
      ],
    };
    expect(await withoutMedia(message)).toEqual(message);
  });
});
