import { useState } from "react";
import { CopyBlock } from "../parts/copy.tsx";
import { SelectField } from "../parts/field.tsx";
import { Segments } from "../parts/segments.tsx";
import { MCP_CLIENTS } from "./mcp-snippets.tsx";
import { LANGUAGES, type Snippet, type Use } from "./snippets.ts";

const USUAL_MODEL = "gpt-4.1-mini";
const MCP = "mcp";

/** Where this page is, there the proxy is. */
export const useOf = (key: string, allowedModels: string[] | null): Use => ({
  origin: location.origin,
  key,
  model: allowedModels?.[0] ?? USUAL_MODEL,
});

const KINDS = [
  ...Object.entries(LANGUAGES).map(([value, { label }]) => ({ value, label })),
  { value: MCP, label: "MCP client" },
];
const SNIPPETS: Record<string, Snippet> = { ...LANGUAGES, ...MCP_CLIENTS };

/** Code and settings that use a key, for each way to use it. */
export function Connect({ use }: { use: Use }) {
  const [kind, setKind] = useState("curl");
  const [client, setClient] = useState("claude");
  const chosen = SNIPPETS[kind === MCP ? client : kind];
  if (chosen === undefined) return null;
  return (
    <div className="connect">
      <Segments label="Use it with" choices={KINDS} value={kind} onChange={setKind} />
      {kind === MCP && (
        <>
          <p className="hint">
            At <code>{use.origin}/mcp</code> MCP clients find the models as the tool{" "}
            <code>chat</code>, and the tools of this key.
          </p>
          <SelectField label="MCP client" value={client} onChange={setClient}>
            {Object.entries(MCP_CLIENTS).map(([value, { label }]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </SelectField>
        </>
      )}
      <CopyBlock key={chosen.label} label={`${chosen.label} code`} text={chosen.snippet(use)} />
      {chosen.hint !== undefined && <p className="hint">{chosen.hint}</p>}
    </div>
  );
}
