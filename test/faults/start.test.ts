import { describe, expect, it } from "vitest";
import { dataDirectory } from "../helpers/own-proxy.ts";

const refused = async (env: Record<string, string>) =>
  String(
    await dataDirectory()
      .start(env)
      .catch((error: unknown) => error),
  );

describe("a start", () => {
  it("is refused with one clear message where a well-known secret would be reachable", async () => {
    for (const env of [
      { NODE_ENV: "production", JWT_SECRET: "secret" },
      { NODE_ENV: "production", ADMIN_PASSWORD: "admin123" },
      { NODE_ENV: "development", ADMIN_PASSWORD: "", HOST: "0.0.0.0" },
      { NODE_ENV: "staging", JWT_SECRET: "" },
    ]) {
      const message = await refused(env);
      expect(message).toMatch(/well-known default/);
      expect(message).toMatch(/JWT_SECRET|ADMIN_PASSWORD/);
    }
  });

  it("works with the well-known secrets in development on loopback, and says how to change them", async () => {
    const proxy = await dataDirectory().start({
      NODE_ENV: "development",
      JWT_SECRET: "",
      ADMIN_PASSWORD: "",
      LOG_LEVEL: "info",
    });
    expect(proxy.output.filter((line) => line.includes("well-known default"))).toHaveLength(2);
    const answer = await fetch(`${proxy.captured}/api/admin/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"password":"admin123"}',
    });
    expect(answer.status).toBe(200);
  });

  it("lists every fault of the configuration at once", async () => {
    const message = await refused({
      PORT: "many",
      OPENAI_BASE_URL: "nowhere",
      DATABASE_URL: "mysql://x",
      JWT_SECRET_FILE: "",
    });
    for (const name of ["PORT", "OPENAI_BASE_URL", "DATABASE_URL"]) expect(message).toContain(name);
  });
});
