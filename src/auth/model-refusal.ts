import { ApiError } from "../openai/api-error.ts";

/**
 * The refusal of a request whose model cannot be told.
 * @param reason what is wrong and where, as a sentence's second half
 * @param param the member, part or header at fault
 */
export function cannotTell(reason: string, param?: string): ApiError {
  return new ApiError(
    "model_not_allowed",
    `This API key may use certain models only, and ${reason}.`,
    param === undefined ? {} : { param },
  );
}
