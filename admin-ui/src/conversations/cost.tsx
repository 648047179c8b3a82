import type { Conversation } from "../api-shapes.ts";
import { formatCost } from "../format.ts";

const INCOMPLETE = "At least: a part of it is of a model whose price is not known.";

/** What something cost, as far as prices are known. */
export function Cost({ of }: { of: Pick<Conversation, "cost" | "costIncomplete"> }) {
  if (of.cost === null) {
    return (
      <span className="hint" title="The price of this model is not known.">
        –<span className="unseen">unknown</span>
      </span>
    );
  }
  if (!of.costIncomplete) return formatCost(of.cost);
  return <span title={INCOMPLETE}>≥ {formatCost(of.cost)}</span>;
}
