import { useState } from "react";
import type { CreatedKey } from "../api-shapes.ts";
import { CopyBlock } from "../parts/copy.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Choices } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";

interface Use {
  baseUrl: string;
  key: string;
  model: string;
}

type Language = "curl" | "node" | "python";

const LANGUAGES: Record<Language, { label: string; snippet: (use: Use) => string }> = {
  curl: {
    label: "curl",
    snippet: ({ baseUrl, key, model }) => `curl ${baseUrl}/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
  node: {
    label: "Node",
    snippet: ({ baseUrl, key, model }) => `import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "${baseUrl}",
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
    snippet: ({ baseUrl, key, model }) => `from openai import OpenAI

client = OpenAI(
    base_url="${baseUrl}",
    api_key="${key}",
)
completion = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(completion.choices[0].message.content)`,
  },
};

const CHOICES = (Object.keys(LANGUAGES) as Language[]).map((value) => ({ value, label: LANGUAGES[value].label }));
const USUAL_MODEL = "gpt-4.1-mini";

/** Shows a new key, once, with code that uses it. */
export function SecretDialog({ created, onClose }: { created: CreatedKey; onClose: () => void }) {
  const [language, setLanguage] = useState<Language>("curl");
  const use = { baseUrl: `${location.origin}/v1`, key: created.key, model: created.allowedModels?.[0] ?? USUAL_MODEL };
  return (
    <Dialog title={`The key “${created.name}”`} onClose={onClose} isWide mustAnswer>
      <Notice tone="warn">Copy it now: it is shown this once, and cannot be found out later.</Notice>
      <CopyBlock label="API key" text={created.key} isSecret />
      <Choices label="Use it" choices={CHOICES} value={language} onChange={setLanguage} />
      <CopyBlock label={`${LANGUAGES[language].label} code`} text={LANGUAGES[language].snippet(use)} />
      <footer className="actions">
        <button type="button" className="primary" onClick={onClose}>
          I have copied it
        </button>
      </footer>
    </Dialog>
  );
}
