import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { proxy } from "../helpers/proxy.ts";

interface Settings {
  version: string;
  node: string | null;
  runtime: string;
  database: { version: string; embedded: boolean };
  retentionDays: number | null;
  localServers: { runAs: string; message: string };
  config: Record<string, unknown>;
  warnings: string[];
}

describe("the settings", () => {
  it("say what runs where, and how it is configured", async () => {
    const settings = (await (await proxy.admin("/settings")).json()) as Settings;
    const { version } = JSON.parse(
      readFileSync(resolve(import.meta.dirname, "../../package.json"), "utf8"),
    ) as { version: string };
    const isWorker = proxy.target === "workerd";
    expect(settings).toMatchObject({
      version,
      node: isWorker ? null : process.versions.node,
      runtime: isWorker ? "workerd" : "node",
      database: {
        version: expect.stringMatching(/^\d+\.\d+$/) as unknown,
        embedded: proxy.target === "node-pglite" || proxy.target === "in-process",
      },
      retentionDays: null,
      warnings: [],
    });
    expect(settings.config).toMatchObject({
      NODE_ENV: "production",
      OPENAI_BASE_URL: "https://api.openai.com/v1",
      TOOL_MAX_ROUNDS: 10,
      LOG_RETENTION_DAYS: null,
    });
    expect("DATA_DIR" in settings.config).toBe(!isWorker);
  });

  it("say plainly what an MCP server can do that a command starts", async () => {
    const { localServers } = (await (await proxy.admin("/settings")).json()) as Settings;
    const { runAs, message } = localServers;
    const expected = {
      workerd: ["sidecar", /as the user of the sidecar/],
      "in-process": ["proxy", /whatever it can, read its files and secrets included/],
      "node-pglite": ["proxy", /whatever it can, read its files and secrets included/],
      "node-postgres": ["proxy", /whatever it can, read its files and secrets included/],
    } as const;
    const [whose, words] = expected[proxy.target];
    expect(runAs).toBe(whose);
    expect(message).toMatch(words);
  });

  it("hold no secret", async () => {
    const text = await (await proxy.admin("/settings")).text();
    for (const secret of [
      "a secret for tests",
      "a password for tests",
      "sk-upstream-default",
      "a token for tests",
      "postgres://",
    ])
      expect(text).not.toContain(secret);
    expect(text).not.toMatch(/PASSWORD|SECRET|TOKEN|ENCRYPTION|API_KEY|DATABASE_URL/);
  });

  it("are the operator's alone", async () => {
    expect((await fetch(`${proxy.url}/api/admin/settings`)).status).toBe(401);
  });
});
