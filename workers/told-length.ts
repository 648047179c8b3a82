/**
 * A response whose length was told has that length, or ends so that its client notices. Of one that
 * was not, workerd ends the body in order though it failed (seen 2026-11, workerd 1.20260815).
 */
export function withToldLength(response: Response, method: string): Response {
  const length = response.headers.get("content-length");
  const hasBody = method !== "HEAD" && response.body !== null;
  if (!hasBody || length === null || !/^\d+$/.test(length)) return response;
  const measured = response.body.pipeThrough(new FixedLengthStream(Number(length)));
  return new Response(measured, response);
}
