/** Token usage as chat completions spell it, unknown details included. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  [detail: string]: unknown;
}

type Counts = Record<string, unknown>;

function isCounts(value: unknown): value is Counts {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Adds numbers field by field, nested details included; what is no number is taken from the later
 * one.
 */
function addCounts(sum: Counts, more: Counts): Counts {
  const result: Counts = { ...sum };
  for (const [field, value] of Object.entries(more)) {
    const before = result[field];
    if (typeof value === "number")
      result[field] = (typeof before === "number" ? before : 0) + value;
    else if (isCounts(value)) result[field] = addCounts(isCounts(before) ? before : {}, value);
    else if (value !== null || before === undefined) result[field] = value;
  }
  return result;
}

/** The usage object of an answer, or null when it has none. Missing counts are 0. */
export function readUsage(value: unknown): Usage | null {
  if (!isCounts(value)) return null;
  const count = (field: string) => (typeof value[field] === "number" ? value[field] : 0);
  const [prompt, completion] = [count("prompt_tokens"), count("completion_tokens")];
  return {
    ...value,
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: count("total_tokens") || prompt + completion,
  };
}

/** The sum over rounds: what is billed. */
export function addUsage(sum: Usage | null, more: Usage | null): Usage | null {
  if (sum === null || more === null) return sum ?? more;
  return readUsage(addCounts(sum, more));
}
