import type { Tool } from "../api-shapes.ts";
import { Choices, TextArea, TextField, Toggle } from "../parts/field.tsx";
import { HeadersField } from "./headers-field.tsx";
import { textOf, type FormProps } from "./tool-fields.ts";

function EnvFields({ envNames, ...props }: FormProps & { envNames: string[] | null }) {
  const { draft, change } = props;
  const stored =
    envNames === null
      ? "Variables are stored that cannot be decrypted any more."
      : `Stored: ${envNames.join(", ")}.`;
  const hasStored = envNames === null || envNames.length > 0;
  return (
    <>
      <TextArea
        label="Environment variables"
        code
        rows={3}
        placeholder="API_TOKEN=…"
        disabled={draft.removesEnv}
        hint={
          hasStored
            ? `${stored} What you enter replaces all of them.`
            : "NAME=value, one a line. Stored encrypted, never shown again."
        }
        {...textOf(props, "env")}
      />
      {hasStored && (
        <Toggle
          label="Remove the stored variables"
          checked={draft.removesEnv}
          onChange={(event) => change({ removesEnv: event.target.checked })}
        />
      )}
    </>
  );
}

const ISOLATIONS = [
  { value: "key", label: "One per API key" },
  { value: "shared", label: "One for all keys" },
] as const;

const ISOLATION_HINTS = {
  key: "No key sees what the server remembers of another one. Each key that uses it costs a process, or a session at a URL.",
  shared:
    "What the server remembers leaks between keys: open pages, notes, logins, the working directory. Only for servers that remember nothing.",
};

function IsolationField({ label, draft, change }: FormProps & { label: string }) {
  return (
    <Choices
      label={label}
      choices={ISOLATIONS}
      value={draft.mcpIsolation}
      onChange={(mcpIsolation) => change({ mcpIsolation })}
      hint={ISOLATION_HINTS[draft.mcpIsolation]}
    />
  );
}

function CommandFields({ stored, ...props }: McpProps) {
  return (
    <>
      <TextField
        label="Command"
        className="code"
        placeholder="npx -y @modelcontextprotocol/server-filesystem /srv/files"
        hint="npx … or uvx …"
        {...textOf(props, "mcpServerCommand")}
      />
      <EnvFields envNames={stored === null ? [] : stored.envNames} {...props} />
      <IsolationField label="Processes" {...props} />
    </>
  );
}

const originOf = (url: string) => (URL.canParse(url) ? new URL(url).origin : null);

function UrlFields({ stored, ...props }: McpProps) {
  const { draft, change, action } = props;
  const storedUrl = stored?.mcpServerUrl ?? null;
  return (
    <>
      <TextField
        label="URL"
        type="url"
        className="code"
        placeholder="https://mcp.example.com/mcp"
        hint="Of its Streamable HTTP endpoint."
        {...textOf(props, "mcpServerUrl")}
      />
      <HeadersField
        rows={draft.headers}
        stored={draft.storedHeaders ?? "keep"}
        storedNames={draft.storedHeaders === null || stored === null ? [] : stored.mcpHeaderNames}
        isElsewhere={storedUrl !== null && originOf(draft.mcpServerUrl) !== originOf(storedUrl)}
        fault={action.faultOf("mcpHeaders")}
        change={change}
      />
      <IsolationField label="Sessions" {...props} />
    </>
  );
}

const SERVERS = [
  { value: "command", label: "Started by the proxy" },
  { value: "url", label: "Running elsewhere" },
] as const;

const ON_CHANGE = [
  { value: "keep", label: "Keep the approved one" },
  { value: "disable", label: "Switch it off until approved" },
] as const;

interface McpProps extends FormProps {
  stored: Tool | null;
}

/** Fields of a tool that an MCP server has. */
export function McpFields(props: McpProps) {
  const { draft, change } = props;
  return (
    <>
      <Choices
        label="MCP server"
        choices={SERVERS}
        value={draft.server}
        onChange={(server) => change({ server })}
      />
      {draft.server === "command" ? <CommandFields {...props} /> : <UrlFields {...props} />}
      <TextField
        label="Tool name at the server"
        className="code"
        hint="Empty: the same name."
        {...textOf(props, "mcpToolName")}
      />
      <Choices
        label="When the server changes this tool"
        choices={ON_CHANGE}
        value={draft.onMcpChange}
        onChange={(onMcpChange) => change({ onMcpChange })}
        hint="Its description and parameters are yours until you accept new ones. Either way the change is shown to you first."
      />
    </>
  );
}
