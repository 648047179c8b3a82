/** Code that uses a key. */
interface Use {
  origin: string;
  key: string;
  model: string;
}

export type Language = "curl" | "node" | "python" | "mcp";

export const LANGUAGES: Record<Language, { label: string; snippet: (use: Use) => string }> = {
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
  mcp: {
    label: "MCP client",
    snippet: ({ origin, key }) => `{
  "mcpServers": {
    "openai-proxy": {
      "url": "${origin}/mcp",
      "headers": { "Authorization": "Bearer ${key}" }
    }
  }
}`,
  },
};
