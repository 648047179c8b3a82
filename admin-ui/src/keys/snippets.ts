import type { ReactNode } from "react";

/** Code that uses a key. */
export interface Use {
  origin: string;
  key: string;
  model: string;
}

/** What is to be copied, and where it goes. */
export interface Snippet {
  label: string;
  /** Where it is put, and what it needs. */
  hint?: ReactNode;
  snippet: (use: Use) => string;
}

type Language = "curl" | "node" | "python";

/** For applications with an OpenAI SDK, or none. */
export const LANGUAGES: Record<Language, Snippet> = {
  curl: {
    label: "curl",
    snippet: ({ origin, key, model }) => `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
  node: {
    label: "Node",
    snippet: ({ origin, key, model }) => `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${origin}/v1",
  apiKey: "${key}",
});
const completion = await client.chat.completions.create({
  model: "${model}",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(completion.choices[0].message.content);`,
  },
  python: {
    label: "Python",
    snippet: ({ origin, key, model }) => `from openai import OpenAI

client = OpenAI(
    base_url="${origin}/v1",
    api_key="${key}",
)
completion = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(completion.choices[0].message.content)`,
  },
};
