import type { Tool } from "../api-shapes.ts";
import { CodeEditor } from "../parts/code-editor.tsx";
import { Choices, TextArea, TextField, Toggle } from "../parts/field.tsx";
import { McpFields } from "./mcp-fields.tsx";
import { argumentNamesOf } from "./schema-fields.ts";
import { textOf, type FormProps } from "./tool-fields.ts";

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
  "mcpHeaders",
  "timeoutMs",
  "maxConcurrency",
] as const;

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
          The body of an <code>async</code> function of <code>args</code>, in standard JavaScript.
          It runs isolated: no network, no files. What <code>console.log</code> prints is kept with
          the conversation.
        </>
      }
    />
  );
}

const TYPES = [
  { value: "function", label: "JavaScript function" },
  { value: "mcp", label: "Tool of an MCP server" },
] as const;

/** All fields of a tool. `stored` is the tool as it was saved; null: a new one. */
export function ToolForm({ stored, ...props }: FormProps & { stored: Tool | null }) {
  const { draft, change } = props;
  return (
    <>
      <Choices
        label="Type"
        choices={TYPES}
        value={draft.type}
        onChange={(type) => change({ type })}
      />
      <TextField
        label="Name"
        className="code"
        required
        maxLength={64}
        placeholder="get_weather"
        hint="Letters, digits, _ and -. The model calls it by this name."
        {...textOf(props, "name")}
      />
      <TextArea
        label="Description"
        rows={3}
        hint="The model reads it to decide when to use the tool."
        {...textOf(props, "description")}
      />
      <CodeEditor
        label="Parameters"
        language="json"
        value={draft.parameters}
        onChange={(parameters) => change({ parameters })}
        fault={props.action.faultOf("parameters")}
        hint="JSON Schema of the arguments."
      />
      {draft.type === "function" ? (
        <FunctionFields {...props} />
      ) : (
        <McpFields stored={stored} {...props} />
      )}
      <div className="field-row">
        <TextField
          label="Time limit in milliseconds"
          type="number"
          min={1}
          max={600_000}
          hint="Empty: the usual one."
          {...textOf(props, "timeoutMs")}
        />
        <TextField
          label="Calls at the same time"
          type="number"
          min={1}
          max={1000}
          hint="Of all keys together; further ones wait. Empty: no limit."
          {...textOf(props, "maxConcurrency")}
        />
      </div>
      <Toggle
        label="Offered to models"
        checked={draft.isActive}
        onChange={(event) => change({ isActive: event.target.checked })}
      />
    </>
  );
}
