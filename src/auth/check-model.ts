import { ApiError } from "../openai/api-error.ts";
import type { AuthenticatedKey } from "./authenticate.ts";

/**
 * Refuses a model that the key may not use.
 * @throws ApiError 403
 */
export function checkModel(key: AuthenticatedKey, model: string | null): void {
  if (key.allowedModels === null || model === null || key.allowedModels.includes(model)) return;
  throw new ApiError(
    "model_not_allowed",
    `This API key may not use the model "${model}". It may use: ${key.allowedModels.join(", ") || "none"}.`,
    {
      param: "model",
    },
  );
}
