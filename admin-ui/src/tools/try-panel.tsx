import { Play } from "lucide-react";
import { useState } from "react";
import type { Tool, Trial } from "../api-shapes.ts";
import { formatDuration, formatJson } from "../format.ts";
import { actions } from "../http.ts";
import { SelectField, TextArea, TextField } from "../parts/field.tsx";
import { Badge, Notice } from "../parts/notice.tsx";
import { Segments } from "../parts/segments.tsx";
import { own } from "../own.ts";
import { useAction } from "../use-action.ts";
import { argumentsOf, fieldsOfSchema, readObject, type SchemaField } from "./schema-fields.ts";

interface ArgumentProps {
  field: SchemaField;
  value: string;
  onChange: (value: string) => void;
}

function Argument({ field, value, onChange }: ArgumentProps) {
  const { name, kind, isRequired, description, choices, type } = field;
  const label = isRequired ? `${name} *` : name;
  const hint = description === "" ? type : description;
  const enter = (event: { target: { value: string } }) => onChange(event.target.value);
  if (kind === "boolean" || kind === "choice") {
    return (
      <SelectField label={label} hint={hint} value={value} onChange={onChange}>
        <option value="">–</option>
        {(kind === "boolean" ? ["true", "false"] : choices).map((choice) => (
          <option key={choice}>{choice}</option>
        ))}
      </SelectField>
    );
  }
  if (kind === "json")
    return (
      <TextArea
        label={label}
        code
        rows={3}
        placeholder={`JSON: ${type}`}
        hint={hint}
        value={value}
        onChange={enter}
      />
    );
  return (
    <TextField
      label={label}
      type={kind}
      step="any"
      hint={hint}
      required={isRequired && kind === "number"}
      value={value}
      onChange={enter}
    />
  );
}

function TrialView({ trial }: { trial: Trial }) {
  const { result, error, logs, durationMs } = trial;
  return (
    <div className="trial" role="status" aria-label="Outcome">
      <p className="together">
        <Badge tone={error === null ? "good" : "bad"}>{error === null ? "done" : "failed"}</Badge>
        <span className="hint">{formatDuration(durationMs)}</span>
      </p>
      <h3>{error === null ? "Result" : "Error"}</h3>
      <pre tabIndex={0}>{error ?? formatJson(result ?? "")}</pre>
      {logs.length > 0 && (
        <>
          <h3>Console</h3>
          <pre tabIndex={0}>{logs.join("\n")}</pre>
        </>
      )}
    </div>
  );
}

type Mode = "form" | "json";

const MODES = [
  { value: "form", label: "Form" },
  { value: "json", label: "JSON" },
] as const;

interface Entered {
  mode: Mode;
  fields: Record<string, string>;
  json: string;
}

function Arguments({
  schema,
  entered,
  enter,
}: {
  schema: SchemaField[];
  entered: Entered;
  enter: (changes: Partial<Entered>) => void;
}) {
  if (entered.mode === "json")
    return (
      <TextArea
        label="Arguments"
        code
        rows={6}
        value={entered.json}
        onChange={(event) => enter({ json: event.target.value })}
      />
    );
  if (schema.length === 0) return <p className="hint">The tool takes no arguments.</p>;
  return schema.map((field) => (
    <Argument
      key={field.name}
      field={field}
      value={own(entered.fields, field.name) ?? ""}
      onChange={(value) => enter({ fields: { ...entered.fields, [field.name]: value } })}
    />
  ));
}

/**
 * Runs the tool as a model's call would. What has not been saved is saved first: that is what runs.
 */
export function TryPanel(props: {
  parameters: string;
  needsSaving: boolean;
  save: () => Promise<Tool>;
}) {
  const { parameters, needsSaving, save } = props;
  const [entered, setEntered] = useState<Entered>({ mode: "form", fields: {}, json: "{}" });
  const [trial, setTrial] = useState<Trial | null>(null);
  const action = useAction();
  const schema = fieldsOfSchema(readObject(parameters));
  const run = async () => {
    const args =
      entered.mode === "json"
        ? (JSON.parse(entered.json) as unknown)
        : argumentsOf(schema, entered.fields);
    const { id } = await save();
    setTrial(await actions.tryTool(id, args));
  };
  return (
    <form
      className="try-panel"
      aria-label="Try the tool"
      onSubmit={(event) => {
        event.preventDefault();
        action.run(run);
      }}
    >
      <header>
        <h2>Try it</h2>
        <Segments
          label="Arguments as"
          choices={MODES}
          value={entered.mode}
          onChange={(mode) => setEntered({ ...entered, mode })}
        />
      </header>
      <Arguments
        schema={schema}
        entered={entered}
        enter={(changes) => setEntered({ ...entered, ...changes })}
      />
      <button type="submit" disabled={action.isRunning}>
        <Play aria-hidden="true" />
        {action.isRunning ? "Running…" : needsSaving ? "Save and run" : "Run"}
      </button>
      {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
      {trial !== null && action.error === null && <TrialView trial={trial} />}
    </form>
  );
}
