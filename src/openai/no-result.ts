/**
 * What the model is told of a call for which its application brought no result: a call without one
 * is refused by upstreams.
 */
export const NO_RESULT = "Error: the application returned no result for this call.";
