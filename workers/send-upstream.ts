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

/** The workerd transport: its native `fetch`. Redirects are the client's to follow. */
export const sendUpstream: SendUpstream = async (request) => {
  const { method, url, headers, signal } = request;
  const body = sizedBody(request);
  try {
    const response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
    const plain: Record<string, string> = Object.fromEntries(response.headers);
    if (DECODED.has((plain["content-encoding"] ?? "").trim().toLowerCase()))
      for (const name of UNTRUE_WHEN_DECODED) delete plain[name];
    delete plain["set-cookie"];
    return { status: response.status, headers: plain, body: response.body };
  } catch (error) {
    const message = messageOf(error);
    throw new UpstreamFailure(signal.aborted ? "aborted" : "unreachable", message, {
      cause: error,
    });
  }
};
