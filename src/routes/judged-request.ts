import type { JudgedRequest } from "../auth/check-model.ts";

/** What a request's models are judged by, beside its body. */
export function judgedRequest({ method, url, headers }: Request): JudgedRequest {
  const { pathname, searchParams } = new URL(url);
  return { method, path: pathname, search: searchParams, headers };
}
