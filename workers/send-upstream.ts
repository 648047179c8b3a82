import type { Config } from "../src/config/read-config.ts";
import { limitSilence } from "./limit-silence.ts";
import { UpstreamFailure, type SendUpstream, type UpstreamRequest } from "../src/platform.ts";
import { messageOf } from "../src/openai/error-message.ts";

/** The runtime decodes bodies in these encodings itself, and no others (seen 2026-11). */
const DECODED = new Set(["gzip", "br"]);
/** What is no longer true of a body that was decoded. */
const UNTRUE_WHEN_DECODED = ["content-encoding", "content-length"];

/** A stream that was read along has no length of its own, and would be sent in chunks. */
function sizedBody({ body, headers }: UpstreamRequest): UpstreamRequest["body"] {
  const length = headers["content-length"];
  if (!(body instanceof ReadableStream) || length === undefined) return body;
  return body.pipeThrough(new FixedLengthStream(Number(length)));
}

/** How long upstream may say nothing. */
type SilenceLimits = Pick<Config, "upstreamFirstByteTimeoutMs" | "upstreamIdleTimeoutMs">;

/** Why no answer came. */
function failureOf(error: unknown, request: UpstreamRequest, isLate: boolean): UpstreamFailure {
  const reason = request.signal.aborted ? "aborted" : isLate ? "timeout" : "unreachable";
  return new UpstreamFailure(reason, messageOf(error), { cause: error });
}

/** The workerd transport: its native `fetch`. Redirects are the client's to follow. */
export function createSendUpstream(limits: SilenceLimits): SendUpstream {
  return async (request) => {
    const { method, url, headers } = request;
    const body = sizedBody(request);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), limits.upstreamFirstByteTimeoutMs);
    const signal = AbortSignal.any([request.signal, late.signal]);
    try {
      const response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
      const plain: Record<string, string> = Object.fromEntries(response.headers);
      if (DECODED.has((plain["content-encoding"] ?? "").trim().toLowerCase()))
        for (const name of UNTRUE_WHEN_DECODED) delete plain[name];
      delete plain["set-cookie"];
      const source = response.body;
      const answer = source === null ? null : limitSilence(source, limits.upstreamIdleTimeoutMs);
      return { status: response.status, headers: plain, body: answer };
    } catch (error) {
      throw failureOf(error, request, late.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
  };
}
