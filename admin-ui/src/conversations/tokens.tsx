import type { Conversation } from "../api-shapes.ts";
import { formatCount } from "../format.ts";

const ESTIMATED =
  "Estimated: upstream sent no usage, so the proxy counted the tokens, all or some of them, with a tokenizer.";

type Counted = Pick<
  Conversation,
  "promptTokens" | "completionTokens" | "totalTokens" | "tokensEstimated"
>;

/**
 * One of the token counts of a conversation, a turn or a round, with a quiet mark where it is an
 * estimate.
 */
export function Tokens({
  of,
  kind = "totalTokens",
}: {
  of: Counted;
  kind?: Exclude<keyof Counted, "tokensEstimated">;
}) {
  const count = formatCount(of[kind]);
  if (!of.tokensEstimated || of[kind] === null) return count;
  return (
    <span title={ESTIMATED}>
      <span className="hint" role="img" aria-label="estimated">
        ≈
      </span>{" "}
      {count}
    </span>
  );
}
