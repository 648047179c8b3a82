import { UpstreamFailure, type SendUpstream } from "../src/platform.ts";
import { messageOf } from "../src/openai/error-message.ts";

/** The runtime decodes bodies itself, so that these would no longer be true. */
const UNTRUE_WHEN_DECODED = ["content-encoding", "content-length"];

/** The workerd transport: its native `fetch`. Redirects are the client's to follow. */
export const sendUpstream: SendUpstream = async ({ method, url, headers, body, signal }) => {
  try {
    const response = await fetch(url, { method, headers, body, signal, redirect: "manual" });
    const plain: Record<string, string> = Object.fromEntries(response.headers);
    if (response.headers.has("content-encoding"))
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
