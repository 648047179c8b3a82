/**
 * What an error says, whatever was thrown. For people and models; a log line takes `describeError`.
 */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
