import { SelectField, TextArea, TextField, Toggle } from "../parts/field.tsx";
import type { Action } from "../use-action.ts";
import type { KeyDraft } from "./key-draft.ts";

/** Fields of which the form shows the faults itself. */
export const SHOWN_FIELDS = [
  "name",
  "expiresAt",
  "openaiApiKey",
  "openaiBaseUrl",
  "upstreamDialect",
  "allowedModels",
  "toolMaxRounds",
  "requestsPerMinute",
  "tokensPerMinute",
  "monthlyBudget",
  "answerCacheSeconds",
  "logContent",
  "unpriced",
] as const;

/** A form and what it is about. */
export interface FormPart {
  draft: KeyDraft;
  change: (changes: Partial<KeyDraft>) => void;
  action: Action;
}

type TextName = Exclude<
  (typeof SHOWN_FIELDS)[number],
  "logContent" | "unpriced" | "upstreamDialect"
>;

const textOf = ({ draft, change, action }: FormPart, name: TextName) => ({
  name,
  value: draft[name],
  fault: action.faultOf(name),
  onChange: (event: { target: { value: string } }) => change({ [name]: event.target.value }),
});

/** Who has the key, and until when. */
export function NameFields(props: FormPart) {
  return (
    <>
      <TextField
        label="Name"
        required
        autoFocus
        maxLength={200}
        hint="Who uses it, and for what."
        {...textOf(props, "name")}
      />
      <TextField
        label="Expires"
        type="datetime-local"
        hint="Empty: never. In your time zone."
        {...textOf(props, "expiresAt")}
      />
    </>
  );
}

/** How much the key may use. */
export function LimitFields(props: FormPart) {
  return (
    <fieldset>
      <legend>Limits</legend>
      <div className="field-row">
        <TextField
          label="Budget per month"
          type="number"
          min={0}
          step="any"
          placeholder="No limit"
          hint="US dollars, by calendar month (UTC)."
          {...textOf(props, "monthlyBudget")}
        />
        <TextField
          label="Requests per minute"
          type="number"
          min={1}
          placeholder="No limit"
          {...textOf(props, "requestsPerMinute")}
        />
        <TextField
          label="Tokens per minute"
          type="number"
          min={1}
          placeholder="No limit"
          {...textOf(props, "tokensPerMinute")}
        />
        <TextField
          label="Tool rounds per turn"
          type="number"
          min={1}
          max={100}
          placeholder="The proxy’s limit"
          hint="After these the model answers with what it has."
          {...textOf(props, "toolMaxRounds")}
        />
      </div>
    </fieldset>
  );
}

/** What is remembered, by the model and by the record. */
export function MemoryFields({ draft, change, action }: FormPart) {
  return (
    <>
      <Toggle
        label="The model remembers tool results in later turns"
        checked={draft.toolMemory}
        onChange={(event) => change({ toolMemory: event.target.checked })}
      />
      <TextField
        label="Answer cache of /mcp, in seconds"
        type="number"
        min={0}
        max={31_536_000}
        placeholder="The proxy’s setting"
        hint="For how long MCP clients get the same answer to the same question, at no cost. Empty: as the proxy is set. 0: never."
        value={draft.answerCacheSeconds}
        fault={action.faultOf("answerCacheSeconds")}
        onChange={(event) => change({ answerCacheSeconds: event.target.value })}
      />
      <SelectField
        label="On record"
        value={draft.logContent}
        fault={action.faultOf("logContent")}
        onChange={(value) => change({ logContent: value === "metadata" ? "metadata" : "full" })}
      >
        <option value="full">Messages and figures</option>
        <option value="metadata">Figures only</option>
      </SelectField>
    </>
  );
}

/** Where the key's requests go, for the few keys that need their own upstream. */
export function UpstreamFields({
  hasOpenaiApiKey,
  ...props
}: FormPart & { hasOpenaiApiKey: boolean }) {
  const { draft, change } = props;
  return (
    <details
      open={
        hasOpenaiApiKey ||
        draft.openaiBaseUrl !== "" ||
        draft.upstreamDialect !== "" ||
        draft.allowedModels !== "" ||
        draft.unpriced === "refuse"
      }
    >
      <summary>Upstream and models</summary>
      <TextField
        label="OpenAI API key of its own"
        type="password"
        autoComplete="new-password"
        disabled={draft.removesOpenaiApiKey}
        placeholder={hasOpenaiApiKey ? "Stored. Type to replace it" : "The proxy’s own"}
        hint="Stored encrypted, never shown again."
        {...textOf(props, "openaiApiKey")}
      />
      {hasOpenaiApiKey && (
        <Toggle
          label="Remove the stored key"
          checked={draft.removesOpenaiApiKey}
          onChange={(event) => change({ removesOpenaiApiKey: event.target.checked })}
        />
      )}
      <TextField
        label="Base URL of its own"
        type="url"
        placeholder="The proxy’s own"
        hint="Anything that speaks OpenAI’s API, for example https://api.openai.com/v1."
        {...textOf(props, "openaiBaseUrl")}
      />
      <SelectField
        label="Asked in"
        value={draft.upstreamDialect}
        fault={props.action.faultOf("upstreamDialect")}
        hint="The API that upstream is asked in. Clients keep theirs: what differs is translated."
        onChange={(value) => change({ upstreamDialect: value as KeyDraft["upstreamDialect"] })}
      >
        <option value="">The proxy’s setting</option>
        <option value="auto">The client’s, or what upstream takes</option>
        <option value="chat">Chat completions</option>
        <option value="responses">Responses</option>
      </SelectField>
      <TextArea
        label="Allowed models"
        code
        rows={3}
        placeholder="All models"
        hint="One a line. Empty: all."
        {...textOf(props, "allowedModels")}
      />
      <SelectField
        label="Models without a known price"
        value={draft.unpriced}
        fault={props.action.faultOf("unpriced")}
        hint="Their cost counts in no budget."
        onChange={(value) => change({ unpriced: value === "refuse" ? "refuse" : "allow" })}
      >
        <option value="allow">Allow</option>
        <option value="refuse">Refuse</option>
      </SelectField>
    </details>
  );
}
