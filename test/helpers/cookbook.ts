/** What OpenAI's cookbook counts tokens of, to compare them with what the API charges. */

const TRANSLATOR =
  "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.";
/**
 * `example_messages` of https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken, for
 * which the API charges 124 tokens with the vocabulary of newer models.
 */
export const EXAMPLE_MESSAGES = [
  { role: "system", content: TRANSLATOR },
  {
    role: "system",
    name: "example_user",
    content: "New synergies will help drive top-line growth.",
  },
  {
    role: "system",
    name: "example_assistant",
    content: "Things working well together will increase revenue.",
  },
  {
    role: "system",
    name: "example_user",
    content:
      "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
  },
  {
    role: "system",
    name: "example_assistant",
    content: "Let's talk later when we're less busy about how to do better.",
  },
  {
    role: "user",
    content:
      "This late pivot means we don't have time to boil the ocean for the client deliverable.",
  },
];
