import { CodeEditor } from "../parts/code-editor.tsx";
import { Choices, TextArea, TextField, Toggle } from "../parts/field.tsx";
import type { Action } from "../use-action.ts";
import { argumentNamesOf } from "./schema-fields.ts";
import type { ToolDraft } from "./tool-draft.ts";

/** Fields of which the form shows the faults itself. */
export const SHOWN_FIELDS = [
  "name",
  "description",
  "parameters",
  "implementation",
  "mcpServerCommand",
  "mcpServerUrl",
  "mcpToolName",
  "env",
  "timeoutMs",
] as const;

type TextName = {
  [Name in keyof ToolDraft]: ToolDraft[Name] extends string ? (string extends ToolDraft[Name] ? Name : never) : never;
}[keyof ToolDraft];

interface FormProps {
  draft: ToolDraft;
  change: (changes: Partial<ToolDraft>) => void;
  action: Action;
}

/** What a control of a text has in common with all others. */
const textOf = ({ draft, change, action }: FormProps, name: TextName) => ({
  name,
  value: draft[name],
  fault: action.faultOf(name),
  onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
});

function FunctionFields({ draft, change, action }: FormProps) {
  return (
    <CodeEditor
      label="Implementation"
      language="javascript"
      value={draft.implementation}
      onChange={(implementation) => change({ implementation })}
      fault={action.faultOf("implementation")}
      names={argumentNamesOf(draft.parameters)}
      hint={
        <>
          The body of an <code>async</code> function of <code>args</code>, in standard JavaScript. It runs isolated: no network, no files.
          What <code>console.log</code> prints is kept with the conversation.
        </>
      }
    />
  );
}

function EnvFields({ envNames, ...props }: FormProps & { envNames: string[] | null }) {
  const { draft, change } = props;
  const stored = envNames === null ? "Variables are stored that cannot be decrypted any more." : `Stored: ${envNames.join(", ")}.`;
  const hasStored = envNames === null || envNames.length > 0;
  return (
    <>
      <TextArea
        label="Environment variables"
        code
        rows={3}
        placeholder="API_TOKEN=…"
        disabled={draft.removesEnv}
        hint={hasStored ? `${stored} What you enter replaces all of them.` : "NAME=value, one a line. Stored encrypted, never shown again."}
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

const SERVERS = [
  { value: "command", label: "Started by the proxy" },
  { value: "url", label: "Running elsewhere" },
] as const;

function McpFields({ envNames, ...props }: FormProps & { envNames: string[] | null }) {
  const { draft, change } = props;
  return (
    <>
      <Choices label="MCP server" choices={SERVERS} value={draft.server} onChange={(server) => change({ server })} />
      {draft.server === "command" ? (
        <>
          <TextField
            label="Command"
            className="code"
            placeholder="npx -y @modelcontextprotocol/server-filesystem /srv/files"
            hint="npx … or uvx …"
            {...textOf(props, "mcpServerCommand")}
          />
          <EnvFields envNames={envNames} {...props} />
        </>
      ) : (
        <TextField
          label="URL"
          type="url"
          className="code"
          placeholder="https://mcp.example.com/mcp"
          hint="Of its Streamable HTTP endpoint."
          {...textOf(props, "mcpServerUrl")}
        />
      )}
      <TextField label="Tool name at the server" className="code" hint="Empty: the same name." {...textOf(props, "mcpToolName")} />
    </>
  );
}

const TYPES = [
  { value: "function", label: "JavaScript function" },
  { value: "mcp", label: "Tool of an MCP server" },
] as const;

/** All fields of a tool. `envNames` are those that are stored. */
export function ToolForm({ envNames, ...props }: FormProps & { envNames: string[] | null }) {
  const { draft, change } = props;
  return (
    <>
      <Choices label="Type" choices={TYPES} value={draft.type} onChange={(type) => change({ type })} />
      <TextField
        label="Name"
        className="code"
        required
        maxLength={64}
        placeholder="get_weather"
        hint="Letters, digits, _ and -. The model calls it by this name."
        {...textOf(props, "name")}
      />
      <TextArea label="Description" rows={3} hint="The model reads it to decide when to use the tool." {...textOf(props, "description")} />
      <CodeEditor
        label="Parameters"
        language="json"
        value={draft.parameters}
        onChange={(parameters) => change({ parameters })}
        fault={props.action.faultOf("parameters")}
        hint="JSON Schema of the arguments."
      />
      {draft.type === "function" ? <FunctionFields {...props} /> : <McpFields envNames={envNames} {...props} />}
      <TextField
        label="Time limit in milliseconds"
        type="number"
        min={1}
        max={600_000}
        hint="Empty: the usual one."
        {...textOf(props, "timeoutMs")}
      />
      <Toggle label="Offered to models" checked={draft.isActive} onChange={(event) => change({ isActive: event.target.checked })} />
    </>
  );
}
