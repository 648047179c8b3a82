import type { AuthenticatedKey } from "../auth/authenticate.ts";
import { ApiError } from "../openai/api-error.ts";
import type { RequestScope } from "../platform.ts";
import { findPrice } from "../record/model-prices.ts";

/**
 * Refuses a model without a known price, where the key does: its use would not count in a budget.
 * @param call `model`: as the request names it; `upstream`: base URL
 * @throws ApiError 403
 */
export async function checkPriced(
  { platform }: Pick<RequestScope, "platform">,
  key: Pick<AuthenticatedKey, "unpriced">,
  { model, upstream }: { model: string; upstream: string },
): Promise<void> {
  if (key.unpriced !== "refuse") return;
  const call = { model, upstream, at: new Date(platform.clock.now()) };
  if ((await findPrice(call, platform.config.prices)) !== null) return;
  throw new ApiError(
    "model_not_priced",
    `The price of the model "${model.slice(0, 200)}" is not known here, and this API key may use only models with a known price. Ask the operator of this proxy to give a price in PRICES, or to allow models without one for this key.`,
    { param: "model" },
  );
}
