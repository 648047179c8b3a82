import { DrizzleQueryError } from "drizzle-orm/errors";
import { HTTPException } from "hono/http-exception";
import { describe, expect, it } from "vitest";
import { ApiError } from "../../src/openai/api-error.ts";
import type { Logger } from "../../src/platform.ts";
import { renderError } from "../../src/routes/render-error.ts";

/** Renders an error, and keeps what was logged. */
async function render(error: unknown): Promise<{
  status: number;
  headers: Headers;
  body: { error: Record<string, unknown> };
  log: string;
}> {
  const lines: string[] = [];
  const write = (level: string) => (message: string, fields?: Record<string, unknown>) =>
    void lines.push(JSON.stringify({ level, message, ...fields }));
  const logger: Logger = {
    error: write("error"),
    warn: write("warn"),
    info: write("info"),
    debug: write("debug"),
  };
  const answer = renderError(error, logger);
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json()) as { error: Record<string, unknown> },
    log: lines.join("\n"),
  };
}

const failedQuery = (cause: Error) =>
  new DrizzleQueryError("select $1", ["a secret value", "network connection lost"], cause);
const coded = (code: string) => Object.assign(new Error(`it failed: ${code}`), { code });

describe("an error that reaches the edge", () => {
  it("is shown as it is, with its headers, when it is one for the caller, and is not logged", async () => {
    const { status, headers, body, log } = await render(
      new ApiError("too_many_requests", "Slower.", { retryAfter: 1.2, param: "x" }),
    );
    expect([status, headers.get("retry-after"), log]).toEqual([429, "2", ""]);
    expect(body).toEqual({
      error: { message: "Slower.", type: "requests", param: "x", code: "rate_limit_exceeded" },
    });
  });

  it("says when to try again wherever that may help, and nowhere else", async () => {
    const hinted = ["not_configured", "shutting_down", "insufficient_quota"] as const;
    for (const name of hinted)
      expect((await render(new ApiError(name, "Later."))).headers.get("retry-after")).toBe("5");
    for (const name of ["internal", "upstream_unreachable", "not_found"] as const)
      expect((await render(new ApiError(name, "No."))).headers.get("retry-after")).toBeNull();
  });

  it("is a 503 with retry-after when the database is away, whichever way it is away", async () => {
    const causes = [
      ...[
        "ECONNREFUSED",
        "CONNECT_TIMEOUT",
        "CONNECTION_CLOSED",
        "CONNECTION_DESTROYED",
        "CONNECTION_ENDED",
      ].map(coded),
      ...["57P01", "57P03", "53300", "08006"].map(coded),
      new Error("proxy request failed, cannot connect to the specified address"),
      new Error("connection attempt failed"),
      new Error("Network connection lost."),
    ];
    for (const cause of causes) {
      const { status, headers, body, log } = await render(failedQuery(cause));
      expect([status, headers.get("retry-after"), body.error["code"]], cause.message).toEqual([
        503,
        "2",
        "database_unavailable",
      ]);
      expect(log).toContain(cause.message);
    }
  });

  it("is a bland 500 when nobody foresaw it, with its causes in the log and without the values of a query", async () => {
    const faults = [
      new Error("outer", { cause: new TypeError("inner reason") }),
      // As postgres.js throws it: with the statement and its values beside the message.
      failedQuery(
        Object.assign(new Error("inner reason"), {
          code: "22P02",
          query: "select $1",
          parameters: ["a secret value"],
        }),
      ),
      failedQuery(new Error("inner reason")),
      // A refused connection of anything but the database is not the database's.
      new Error("outer", {
        cause: Object.assign(new Error("inner reason"), { code: "ECONNREFUSED" }),
      }),
      "inner reason",
    ];
    for (const fault of faults) {
      const { status, body, log } = await render(fault);
      expect(status).toBe(500);
      expect(body.error["code"]).toBe("internal_error");
      expect(JSON.stringify(body)).not.toContain("inner reason");
      expect(log).toContain("inner reason");
      expect(log).not.toContain("a secret value");
    }
  });

  it("survives a chain of causes that bites its own tail", async () => {
    const error = new Error("round");
    error.cause = new Error("and round", { cause: error });
    expect((await render(error)).status).toBe(500);
  });

  it("of Hono about a request that cannot be read is a 400", async () => {
    const { status, body } = await render(
      new HTTPException(400, { message: "Malformed JSON in request body" }),
    );
    expect([status, body.error["code"], body.error["message"]]).toEqual([
      400,
      "bad_request",
      "Malformed JSON in request body.",
    ]);
  });
});
