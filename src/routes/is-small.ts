/** In bytes. */
const SMALL = 64 * 1024;

/**
 * Whether a request's body is known to be small: then it is read at once, and sent as bytes, which
 * costs less. Larger ones, and those of unknown size, are streamed where they can be.
 */
export function isSmall({ headers }: Request): boolean {
  const length = headers.get("content-length");
  return length !== null && Number(length) <= SMALL;
}
