import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { findPrice } from "../record/model-prices.ts";

/** Its answer is sound, which says nothing of what it cost. */
const SPEECH = /\/audio\/speech$/;

/**
 * Refuses a model without a known price, where the key does: its use would not count in a budget.
 * @param call `model`: as the request names it; `upstream`: base URL; `path`: what is asked
 * @throws ApiError 403
 */
export async function checkPriced(
  { platform }: Pick<RequestScope, "platform">,
  key: Pick<AuthenticatedKey, "unpriced">,
  { model, upstream, path = "" }: { model: string; upstream: string; path?: string },
): Promise<void> {
  if (key.unpriced !== "refuse") return;
  if (SPEECH.test(path))
    throw new ApiError(
      "model_not_priced",
      "What speech costs is not known here, because upstreams do not say how much of it they " +
        "made, and this API key may use only what has a known price. Ask the operator of this " +
        "proxy to allow what has none for this key.",
    );
  const call = { model, upstream, at: new Date(platform.clock.now()) };
  if ((await findPrice(call, platform.config.prices)) !== null) return;
  throw new ApiError(
    "model_not_priced",
    `The price of the model "${model.slice(0, 200)}" is not known here, and this API key may use only models with a known price. Ask the operator of this proxy to give a price in PRICES, or to allow models without one for this key.`,
    { param: "model" },
  );
}
