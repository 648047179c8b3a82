/** Which requests ask for a WebSocket. */
import { ApiError } from "../openai/api-error.ts";

/** The version of RFC 6455. */
const VERSION = "13";

/** Whether a request asks for a WebSocket, and for nothing else. */
export const isSocketRequest = ({ method, headers }: Pick<Request, "method" | "headers">) =>
  method === "GET" && headers.get("upgrade")?.trim().toLowerCase() === "websocket";

/** The refusal of a handshake that says what would be taken. */
export const upgradeRequired = (message: string): ApiError =>
  new ApiError("upgrade_required", message, {
    headers: { upgrade: "websocket", "sec-websocket-version": VERSION },
  });

/** @throws ApiError 426 for another version of the protocol */
export function checkVersion({ headers }: Request): void {
  const version = headers.get("sec-websocket-version");
  if (version === VERSION) return;
  throw upgradeRequired(`WebSockets are served in version ${VERSION} of the protocol alone.`);
}
