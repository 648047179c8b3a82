/** Requests of a key that may use the model `cheap` alone, byte by byte as a test spells them. */
import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";
import { expect } from "vitest";
import { proxy } from "./proxy.ts";
import { json, startUpstream } from "./upstream.ts";

/** A request as it goes over the wire. */
export interface SpelledRequest {
  method?: string;
  /** Path and query below `/v1`. */
  path: string;
  /** Names and values in turn, so that a name can come twice. */
  headers?: string[];
  body?: string | Uint8Array;
  /** Sends the body in chunks, without its length. */
  isChunked?: boolean;
}

/** What became of a request. */
export interface Outcome {
  status: number;
  /** The code of the error, where the answer is one. */
  code: string | null;
  /** The sentence of the error, or the empty string. */
  message: string;
  /** The bodies that upstream was sent, long ones by their hash. */
  sent: string[];
}

/** The headers of a JSON body. */
const JSON_TYPE = ["content-type", "application/json"];
/** The headers of a multipart body whose boundary is `x-b`. */
export const FORM_TYPE = ["content-type", "multipart/form-data; boundary=x-b"];

/** One part of a form: its headers, an empty line, its value. */
export const part = (disposition: string, value: string, more = "") =>
  `Content-Disposition: form-data; ${disposition}\r\n${more}\r\n${value}`;

/** A form with the boundary `x-b`. */
export const form = (...parts: string[]) =>
  `${parts.map((one) => `--x-b\r\n${one}\r\n`).join("")}--x-b--\r\n`;

/** The part that is a file. */
export const FILE = part('name="file"; filename="a.mp3"', "sound", "Content-Type: audio/mpeg\r\n");

function exchange(key: string, { method, path, headers, body, isChunked }: SpelledRequest) {
  const url = new URL(proxy.url);
  const bytes = body === undefined ? null : Buffer.from(body as string);
  const isMeasured = bytes !== null && isChunked !== true;
  const length = isMeasured ? ["content-length", String(bytes.byteLength)] : [];
  const chunked = isChunked ? ["transfer-encoding", "chunked"] : [];
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: url.hostname,
        port: url.port,
        method: method ?? (bytes === null ? "GET" : "POST"),
        path: `/v1${path}`,
        headers: [
          "host",
          url.host,
          "authorization",
          `Bearer ${key}`,
          ...(headers ?? JSON_TYPE),
          ...length,
          ...chunked,
        ],
        setHost: false,
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    outgoing.on("error", reject);
    outgoing.end(bytes);
  });
}

const shown = (bytes: Buffer) =>
  bytes.byteLength < 10_000
    ? bytes.toString("latin1")
    : createHash("sha256").update(bytes).digest("hex");

/** Sends a request with a key that may use `cheap` alone. */
export async function ask(request: SpelledRequest): Promise<Outcome> {
  const upstream = await startUpstream(json({ object: "what upstream says" }));
  const { key } = await proxy.createKey({
    openaiBaseUrl: upstream.url,
    allowedModels: ["cheap", "owner/cheap"],
  });
  const { status, text } = await exchange(key, request);
  const { error } = JSON.parse(text) as { error?: { code: string; message: string } };
  return {
    status,
    code: error?.code ?? null,
    message: error?.message ?? "",
    sent: upstream.requests.map(({ body }) => shown(body)),
  };
}

/** The outcome of a request that reached upstream with exactly its bytes. */
export const passed = ({ body }: SpelledRequest): Outcome => ({
  status: 200,
  code: null,
  message: "",
  sent: [shown(Buffer.from((body ?? "") as string))],
});

/** The outcome of a request of which upstream heard nothing; these words say why. */
export const refused = (words: string): Outcome => ({
  status: 403,
  code: "model_not_allowed",
  message: expect.stringContaining(words) as string,
  sent: [],
});
