/** What an operator asks of a proxy of a test's own, and the record that it reads. */
import { ADMIN_PASSWORD } from "./settings.ts";
import { adminCall } from "./own-proxy.ts";

/** `/health` as an operator sees it. */
export interface OperatorHealth {
  status: string;
  parts: { records: Record<string, unknown> & { status: string; message?: string } };
}

/** Asks for `/health` with an operator's session. */
export async function healthOf(url: string): Promise<OperatorHealth> {
  const signedIn = await fetch(`${url}/api/admin/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ password: ADMIN_PASSWORD }),
  });
  const { token } = (await signedIn.json()) as { token: string };
  const answer = await fetch(`${url}/health`, { headers: { authorization: `Bearer ${token}` } });
  return (await answer.json()) as OperatorHealth;
}

/** Titles of all conversations on record, sorted. */
export async function titlesOf(url: string): Promise<string[]> {
  const titles: string[] = [];
  for (let cursor = ""; ;) {
    const path = `/conversations?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`;
    const page = await adminCall<{ data: { title: string }[]; nextCursor?: string | null }>(
      url,
      path,
    );
    titles.push(...page.data.map(({ title }) => title));
    if (!page.nextCursor) return titles.toSorted();
    cursor = encodeURIComponent(page.nextCursor);
  }
}
