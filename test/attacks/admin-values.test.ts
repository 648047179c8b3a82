/** Every endpoint of the admin API with values that nobody would write: none is a fault of ours. */
import { expect, it } from "vitest";
import { adminCall, dataDirectory } from "../helpers/own-proxy.ts";
import { ADMIN_PASSWORD } from "../helpers/settings.ts";

interface Operation {
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: { properties?: Record<string, unknown> } }> };
}

type Document = { paths: Record<string, Record<string, Operation>> };

const UUID = "0190a0a0-0000-7000-8000-000000000000";

const DATES = [
  "0000-01-01T00:00:00Z",
  "0000-12-31T23:59:59-12:00",
  "0001-01-01T00:00:00Z",
  "0001-01-01T00:00:00+14:00",
  "-000001-01-01T00:00:00.000Z",
  "-271821-04-20T00:00:00.000Z",
  "9999-12-31T23:59:59.999-23:59",
  "+010000-01-01T00:00:00.000Z",
  "+275760-09-13T00:00:00.000Z",
  "294277-01-01T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-01-01T24:00:00Z",
];

const TEXTS = [
  "",
  " ",
  "\0",
  "a\0b",
  "\uD800",
  "x\uDFFF",
  "\uFFFF\u202E\u{E0041}",
  "x".repeat(20_000),
  "9".repeat(400),
  "NaN",
  "-1",
  "1e999",
  "2147483648",
  "9223372036854775808",
  "0x10",
  "../..",
  "%00",
  "' or 1=1 --",
  "{}",
  "http://[::1",
  "https://x:99999/",
  "npx",
  UUID,
  ...DATES,
];

const OTHERS: unknown[] = [
  null,
  true,
  0,
  -0,
  -1,
  1.5,
  1e308,
  -1e308,
  5e-324,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 53,
  2 ** 63,
  1e21,
  [],
  {},
  [[]],
  [null],
  ["\0"],
  ["\uD800"],
  [UUID],
  ["not an id"],
  Array.from({ length: 1001 }, (_, index) => String(index)),
  { "": "" },
  { "\0": "\0" },
  { "a\uD800": "\uD800" },
  { name: "\0" },
  { name: 1e308 },
  { constructor: { prototype: 1 }, toString: 1 },
  { type: "object", properties: { "\0": { type: "string" } } },
  { type: "object", $ref: "#", minimum: 1e308 },
  { x: { command: "npx", args: ["\0"] } },
  { x: { url: "http://127.0.0.1:1/\uD800" } },
];

/** As the proxy spells them. */
const EXACT_DATES = [
  "0000-01-01T00:00:00.000Z",
  "2026-02-30T00:00:00.000Z",
  "2026-06-31T00:00:00.000Z",
  "2026-01-01T24:00:00.000Z",
  "2026-13-01T00:00:00.000Z",
];

const cursorOf = (parts: unknown[]) => Buffer.from(JSON.stringify(parts)).toString("base64url");

const CURSORS = [...DATES, ...TEXTS.slice(0, 12), null, 0, -1, 1e308, {}, []].flatMap((first) =>
  [UUID, "no id", "\0", null, 1e308].map((second) => cursorOf([first, second])),
);

/** Bodies as texts, which no parser of JSON makes of a value. */
const BODIES = [
  "",
  "null",
  "[]",
  "0",
  '"x"',
  "{",
  '{"name":"x","name":"y"}',
  '{"__proto__":{"isActive":true}}',
  `${'{"parameters":'.repeat(200_000)}1${"}".repeat(200_000)}`,
  "[".repeat(200_000) + "]".repeat(200_000),
  `{"name":${"[".repeat(50_000)}${"]".repeat(50_000)}}`,
  '{"name":"\\u0000"}',
  '{"name":"\\ud800"}',
  '{"timeoutMs":1e400}',
  `{"timeoutMs":${"9".repeat(5000)}}`,
  `\uFEFF{}`,
];

/** What is right of each body, so that one wrong field is reached. */
const USUAL: Record<string, Record<string, unknown>> = {
  "/api-keys": { name: "a key" },
  "/tools": { type: "function", implementation: "return 1;" },
  "/tools/import": {},
};

interface Sent {
  method: string;
  path: string;
  body?: string;
}

it("no value at any endpoint of the admin API is a fault of ours", async () => {
  const { captured } = await dataDirectory().start();
  const signedIn = await fetch(`${captured}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  const { token } = (await signedIn.json()) as { token: string };
  const key = await adminCall<{ id: string }>(captured, "/api-keys", { name: "target" });
  const tool = await adminCall<{ id: string }>(captured, "/tools", {
    name: "target",
    type: "function",
    implementation: "return args;",
  });

  const faults: string[] = [];
  let sent = 0;
  const send = async ({ method, path, body }: Sent) => {
    sent++;
    const answer = await fetch(`${captured}/api/admin${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(20_000),
      ...(body === undefined ? {} : { body }),
    });
    const isStream = path.includes("/live");
    const text = isStream ? "" : await answer.text();
    if (isStream) await answer.body?.cancel();
    // An MCP server that is not there is no fault of ours.
    if (answer.status >= 500 && answer.status !== 502)
      faults.push(`${method} ${path.slice(0, 200)} ${body?.slice(0, 200)}: ${text.slice(0, 200)}`);
  };
  const ofTarget = (path: string) =>
    path.replace("{id}", path.startsWith("/tools") ? tool.id : key.id).replace("{toolId}", tool.id);

  const { paths } = await adminCall<Document>(captured, "/openapi.json");
  const requests: Sent[] = [];
  for (const [path, operations] of Object.entries(paths)) {
    for (const [verb, { parameters = [], requestBody }] of Object.entries(operations)) {
      const method = verb.toUpperCase();
      // The password of one address is not for guessing here.
      if (path === "/login" || path === "/logout") continue;
      const isDeletion = method === "DELETE" && path.split("/").length === 3;
      const target = isDeletion ? path.replace("{id}", UUID) : ofTarget(path);
      for (const { name, in: place } of parameters) {
        const values = name === "cursor" ? [...CURSORS, ...TEXTS] : TEXTS;
        for (const value of values) {
          const encoded = encodeURIComponent(value.toWellFormed());
          if (place === "path" && value !== "")
            requests.push({ method, path: ofTarget(path.replace(`{${name}}`, encoded)) });
          if (place === "query") requests.push({ method, path: `${target}?${name}=${encoded}` });
        }
        for (const bytes of ["%00", "%FF", "%ED%A0%80", "%", "%zz"])
          if (place === "query") requests.push({ method, path: `${target}?${name}=${bytes}` });
      }
      const fields = requestBody?.content["application/json"]?.schema.properties;
      if (requestBody === undefined) continue;
      for (const body of BODIES) requests.push({ method, path: target, body });
      for (const field of Object.keys(fields ?? {}))
        for (const value of [...TEXTS, ...OTHERS]) {
          const usual = path === "/tools" ? { name: `t${requests.length}` } : {};
          const body = JSON.stringify({ ...USUAL[path], ...usual, [field]: value });
          requests.push({ method, path: target, body });
        }
    }
  }
  for (const sort of ["createdAt", "name", "lastUsedAt", "expiresAt", "spend"])
    for (const value of [...DATES, ...EXACT_DATES, ...TEXTS.slice(0, 16), null, 1e308, {}]) {
      const cursor = cursorOf([sort, "asc", value, UUID]);
      requests.push({ method: "GET", path: `/api-keys?sort=${sort}&order=asc&cursor=${cursor}` });
    }
  for (const body of BODIES) requests.push({ method: "POST", path: "/login", body });
  const queue = requests.values();
  const work = async () => {
    for (const request of queue) await send(request);
  };
  await Promise.all(Array.from({ length: 4 }, work));
  expect(faults).toEqual([]);
  expect(sent).toBeGreaterThan(2000);
});
