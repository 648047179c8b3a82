/** HTTP as bytes: what `fetch` would mend or refuse before it is sent. */
import { connect } from "node:net";
import { expect } from "vitest";
import { proxy } from "./proxy.ts";

/** An answer as it stood on the wire. */
export interface RawAnswer {
  status: number;
  headers: Headers;
  body: string;
}

interface RawRequest {
  method?: string;
  /** The request target, byte for byte: each character is one byte. */
  target: string;
  headers?: Record<string, string>;
  body?: string;
}

const ANSWER_LIMIT_MS = 10_000;

/** The text of a chunked body, or null where its end is not there yet. */
function unchunked(text: string): { body: string; end: number } | null {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    const start = lineEnd + 2;
    if (text.length < start + size + 2) return null;
    if (size === 0) return { body: parts.join(""), end: start + 2 };
    parts.push(text.slice(start, start + size));
    at = start + size + 2;
  }
}

/** The first answer in what was received, byte for byte; null where it is not whole yet. */
function firstAnswer(text: string): { answer: RawAnswer; end: number } | null {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd === -1) return null;
  const [statusLine = "", ...lines] = text.slice(0, headEnd).split("\r\n");
  const headers = new Headers();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.append(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const rest = text.slice(headEnd + 4);
  const length = Number(headers.get("content-length") ?? 0);
  const whole =
    headers.get("transfer-encoding") === "chunked"
      ? unchunked(rest)
      : { body: rest.slice(0, length), end: length };
  if (whole === null || rest.length < whole.end) return null;
  const body = Buffer.from(whole.body, "latin1").toString();
  const status = Number(statusLine.split(" ")[1]);
  return { answer: { status, headers, body }, end: headEnd + 4 + whole.end };
}

/**
 * Sends bytes on a connection of its own, each character one byte, and reads answers until there
 * are `count`, or until the proxy closes the connection.
 */
export function rawExchange(sent: string, count = 1, url = proxy.url): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let received = "";
    const answers: RawAnswer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(sent, "latin1"));
    socket.setTimeout(ANSWER_LIMIT_MS, () => socket.destroy(new Error("No answer in time")));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      for (let found = firstAnswer(received); found !== null; found = firstAnswer(received)) {
        // 100 Continue and its like come before the answer.
        if (found.answer.status >= 200) answers.push(found.answer);
        received = received.slice(found.end);
      }
      if (answers.length >= count) socket.destroy();
    });
    socket.once("error", reject);
    socket.once("close", () => resolve(answers));
  });
}

/** One request as bytes. */
export function requestText(request: RawRequest, url = proxy.url): string {
  const { method = "GET", target, headers = {}, body = "" } = request;
  const { host } = new URL(url);
  const length = body === "" ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const all = { host, ...length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n${body}`;
}

/** One request on a connection of its own, with its target as it is spelled. */
export async function rawRequest(request: RawRequest, url = proxy.url): Promise<RawAnswer> {
  const [answer] = await rawExchange(requestText(request, url), 1, url);
  if (answer === undefined) throw new Error("The connection was closed without an answer");
  return answer;
}

/** A refusal in OpenAI's shape, which names its request. */
export function expectRefusal(answer: RawAnswer, status: number, code: string): void {
  expect(answer.status, answer.body).toBe(status);
  expect(answer.headers.get("content-type")).toContain("application/json");
  expect(answer.headers.get("x-proxy-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  expect(JSON.parse(answer.body)).toEqual({
    error: {
      message: expect.any(String) as unknown,
      type: "invalid_request_error",
      param: null,
      code,
    },
  });
}
