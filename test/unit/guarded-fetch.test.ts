import { createServer } from "node:http";
import type { LookupFunction, AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { readConfig } from "../../src/config/read-config.ts";
import { createGuardedFetch } from "../../src/node/guarded-fetch.ts";
import { AddressRefused } from "../../src/tools/addresses/address-policy.ts";
import { safeFetch } from "../../src/tools/addresses/safe-fetch.ts";

const rules = (allowed: string) =>
  readConfig({
    JWT_SECRET: "long enough for a test",
    ADMIN_PASSWORD: "a password for tests",
    NODE_ENV: "production",
    MCP_ALLOWED_PRIVATE_HOSTS: allowed,
  });

/** A resolver that says the next of these answers each time. */
function resolver(...answers: string[][]): { lookup: LookupFunction; asked: string[] } {
  const asked: string[] = [];
  const lookup: LookupFunction = (hostname, options, callback) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(hostname);
    const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
    if (options.all) callback(null, found);
    else callback(null, found[0]?.address ?? "", found[0]?.family);
  };
  return { lookup, asked };
}

/** A server on loopback, and how often it was reached. */
async function listening(): Promise<{ port: number; reached: () => number }> {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    response.writeHead(200, { connection: "close" }).end("reached");
  });
  let connections = 0;
  server.on("connection", () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return {
    port: (server.address() as AddressInfo).port,
    reached: () => Math.max(requests, connections),
  };
}

function fetcher(allowed: string, lookup: LookupFunction) {
  const config = rules(allowed);
  const { fetch, close } = createGuardedFetch(config, lookup);
  onTestFinished(close);
  return safeFetch({ config, fetchGuarded: fetch }, []);
}

async function refusal(asking: Promise<unknown>): Promise<string> {
  const error: unknown = await asking.then(
    () => new Error("nothing was refused"),
    (reason: unknown) => reason,
  );
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (cause instanceof AddressRefused) return cause.message;
  throw error;
}

describe("a name that leads to a private address", () => {
  it.each([
    ["127.0.0.1"],
    ["::1"],
    ["10.0.0.1"],
    ["169.254.169.254"],
    ["::ffff:127.0.0.1"],
    ["8.8.8.8", "127.0.0.1"],
  ])("is not connected to (%s)", async (...addresses) => {
    const { port, reached } = await listening();
    const { lookup, asked } = resolver(addresses);
    const fetch = fetcher("", lookup);
    expect(await refusal(fetch(`https://mcp.example:${port}/mcp`))).toMatch(
      /^mcp\.example leads to .+, which is a/,
    );
    expect(asked).toEqual(["mcp.example"]);
    expect(reached()).toBe(0);
  });

  it("is not connected to when only a later answer of its resolver is private", async () => {
    const { port, reached } = await listening();
    // Documentation addresses lead nowhere, so the first connection is one that this test allows.
    const { lookup, asked } = resolver(["127.0.0.1"], ["10.0.0.1"]);
    const fetch = fetcher("127.0.0.0/8", lookup);
    expect(await (await fetch(`http://mcp.example:${port}/mcp`)).text()).toBe("reached");
    expect(await refusal(fetch(`http://mcp.example:${port}/mcp`))).toContain("10.0.0.1");
    expect(asked).toHaveLength(2);
    expect(reached()).toBe(1);
  });

  it("is connected to where its name is allowed", async () => {
    const { port, reached } = await listening();
    const fetch = fetcher("my-mcp", resolver(["127.0.0.1"]).lookup);
    expect(await (await fetch(`http://my-mcp:${port}/mcp`)).text()).toBe("reached");
    expect(reached()).toBe(1);
  });

  it("says what DNS says where there is no such name", async () => {
    const lookup: LookupFunction = (hostname, _options, callback) =>
      callback(new Error(`no ${hostname}`), "", 0);
    await expect(fetcher("", lookup)("https://mcp.example/")).rejects.toMatchObject({
      cause: { message: "no mcp.example" },
    });
  });
});
