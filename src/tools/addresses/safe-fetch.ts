import type { Platform } from "../../platform.ts";
import { AddressRefused, checkServerUrl, type AddressRules } from "./address-policy.ts";

/** As many as careful clients follow. */
const MAX_REDIRECTS = 5;
/** Headers that belong to the server that gave them, beside those that the operator set. */
const CREDENTIALS = ["authorization", "cookie", "mcp-session-id"];

/**
 * The Fetch API for addresses that people typed: each is checked before it is asked, redirects hop
 * by hop. Credentials go to the origin they were meant for and to no other, not even when a
 * redirect leads back.
 * @param credentials names of the headers that the operator set
 * @throws AddressRefused, from `fetch` too where the address that a name leads to is refused
 */
export function safeFetch(
  platform: Pick<Platform, "fetchGuarded"> & { config: AddressRules },
  credentials: string[],
): (url: string | URL, init?: RequestInit) => Promise<Response> {
  return async (url, init = {}) => {
    const headers = new Headers(init.headers);
    let here = new URL(url);
    refuse(checkServerUrl(platform.config, here, { resolves: true }));
    for (let followed = 0; ; followed += 1) {
      const response = await platform.fetchGuarded(here, { ...init, headers, redirect: "manual" });
      const next = await redirectOf(here, response);
      if (next === null) return response;
      const led = `it redirects to ${next.origin}${next.pathname}`;
      if (followed === MAX_REDIRECTS) refuse(`it redirects more than ${MAX_REDIRECTS} times.`);
      // The others make a GET of a POST, which loses the message.
      if (response.status !== 307 && response.status !== 308)
        refuse(
          `${led} with status ${response.status}, which loses what was sent. Use that address if it is the right one.`,
        );
      const reason = checkServerUrl(platform.config, next, { resolves: true, from: here });
      if (reason !== null) refuse(`${led}, and ${reason}`);
      if (next.origin !== here.origin)
        for (const name of [...CREDENTIALS, ...credentials]) headers.delete(name);
      here = next;
    }
  };
}

function refuse(reason: string | null): void {
  if (reason !== null) throw new AddressRefused(reason);
}

/** Where a response leads, its body given up; null where it is no redirect. */
async function redirectOf(here: URL, response: Response): Promise<URL | null> {
  const location =
    response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
  if (location === null || !URL.canParse(location, here)) return null;
  await response.body?.cancel();
  return new URL(location, here);
}
