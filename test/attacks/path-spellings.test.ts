import { expect, it } from "vitest";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { rawRequest, requestText, rawExchange } from "../helpers/raw-http.ts";
import { stormLength } from "../helpers/storm-length.ts";
import { json, startUpstream } from "../helpers/upstream.ts";

const BODY = JSON.stringify({ model: "dear", messages: [{ role: "user", content: "hi" }] });
const PLAIN = "/v1/chat/completions";
/** Ways to spell a path that some server on the way may take for the plain one. */
const SPELLINGS = ["//", "/./", "/%2e/", "/x/../", "/x/%2e%2e/", "\\", "/%5c", ";a=b/", "%2f"];

/** A path in which letters are encoded, slashes changed and the case turned at random. */
function spell(random: () => number): string {
  const letters = PLAIN.split("").map((letter) => {
    const choice = random();
    if (letter === "/" && choice < 0.3)
      return SPELLINGS[Math.floor(random() * SPELLINGS.length)] ?? letter;
    if (choice < 0.2) return `%${letter.charCodeAt(0).toString(16)}`;
    return choice < 0.22 ? letter.toUpperCase() : letter;
  });
  return `/${letters.join("").slice(1)}`;
}

/** Numbers from 0 to 1 that are the same in each run (xorshift). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

it("no spelling of a path takes a restricted key to a model that it may not use", async () => {
  const upstream = await startUpstream(json({ object: "what upstream says" }));
  const { captured } = await dataDirectory().start();
  const { key } = await adminCall<{ key: string }>(captured, "/api-keys", {
    name: "restricted",
    openaiBaseUrl: upstream.url,
    allowedModels: ["cheap"],
  });
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const plain = { method: "POST", target: PLAIN, headers, body: BODY };
  expect((await rawRequest(plain, captured)).status).toBe(403);

  const random = randomNumbers(20_261_127);
  const requests = stormLength({ ci: 400, soak: 40_000 });
  for (let sent = 0; sent < requests; sent += 1) {
    const target = spell(random);
    const text = requestText({ ...plain, target }, captured);
    const [answer] = await rawExchange(text, 1, captured);
    const status = answer?.status ?? 0;
    expect(status < 200 || status >= 400, `${target}: ${status}`).toBe(true);
  }
  const dear = upstream.requests.filter(({ body }) => body.includes("dear"));
  expect(dear.map(({ url }) => url)).toEqual([]);
});
