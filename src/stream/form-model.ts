/** Finds the model that a multipart form names, as the form passes: for the record and the budget. */

/** Reads along a form. */
export interface FormModelReader {
  /** Takes the next bytes of the form. */
  onChunk(bytes: Uint8Array): void;
  /** What the first part `model` says, as far as the form has passed; null where there is none. */
  model(): string | null;
}

const BOUNDARY = /^\s*multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;",]{1,70}))/i;
const QUOTE = 0x22;
/** What stands between the quotes of the part's name, and the last of them. */
const NAME = new TextEncoder().encode('model"');
/** How far the part's headers reach before its name, and the rest of the part behind it, in bytes. */
const REACH_BYTES = 512;

/** How many places are looked at: a file that is full of such names is no more work than this. */
const MAX_PLACES = 1000;

/** Whether the name `model"` stands at this place. */
const isName = (bytes: Uint8Array, start: number): boolean =>
  NAME.every((byte, index) => bytes[start + index] === byte);

/** The whole part, whose text is a name of a model. */
function partPattern(boundary: string): RegExp {
  const delimiter = `--${boundary.replaceAll(/[^\w]/g, String.raw`\$&`)}`;
  const header = String.raw`(?:[\w-]+:[^\r\n]*\r\n)*`;
  const name = String.raw`content-disposition:\s*form-data;\s*name="model"\s*\r\n`;
  return new RegExp(
    String.raw`${delimiter}\r\n${header}${name}${header}\r\n([^\r\n]{1,256})\r\n${delimiter}`,
    "i",
  );
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(first.byteLength + second.byteLength);
  bytes.set(first);
  bytes.set(second, first.byteLength);
  return bytes;
}

/**
 * Opens a reader for one form. It holds no more than a kilobyte of it.
 * @returns null where the body is no multipart form
 */
export function openFormModelReader(contentType: string): FormModelReader | null {
  const [, quoted, plain] = BOUNDARY.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) return null;
  const pattern = partPattern(boundary);
  let found: string | null = null;
  let places = 0;
  let last = new Uint8Array();

  /** What a part says whose name may stand here. */
  const modelAt = (bytes: Uint8Array, quote: number): string | null => {
    if (!isName(bytes, quote + 1)) return null;
    places++;
    const around = bytes.subarray(Math.max(0, quote - REACH_BYTES), quote + REACH_BYTES);
    return pattern.exec(new TextDecoder().decode(around))?.[1] ?? null;
  };

  return {
    onChunk: (chunk) => {
      if (found !== null || places >= MAX_PLACES) return;
      const bytes = joined(last, chunk);
      for (let at = bytes.indexOf(QUOTE); at !== -1; at = bytes.indexOf(QUOTE, at + 1)) {
        found = modelAt(bytes, at);
        if (found !== null || places >= MAX_PLACES) break;
      }
      // A part that has not come whole is looked at again with what follows.
      last = bytes.slice(-2 * REACH_BYTES);
    },
    model: () => found,
  };
}
