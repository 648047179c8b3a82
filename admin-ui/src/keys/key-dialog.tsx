import { useState } from "react";
import type { ApiKey } from "../api-shapes.ts";
import type { KeyFields } from "../http.ts";
import { Dialog } from "../parts/dialog.tsx";
import { TextArea, TextField, Toggle } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { useAction, type Action } from "../use-action.ts";
import { changedFields, draftOf, type KeyDraft } from "./key-draft.ts";
import { ToolChooser } from "./tool-chooser.tsx";

const SHOWN_FIELDS = ["name", "expiresAt", "openaiApiKey", "openaiBaseUrl", "allowedModels", "toolMaxRounds"] as const;

interface FormPart {
  draft: KeyDraft;
  change: (changes: Partial<KeyDraft>) => void;
  action: Action;
}

/** Where the key's requests go, for the few keys that need their own upstream. */
function UpstreamFields({ draft, change, action, hasOpenaiApiKey }: FormPart & { hasOpenaiApiKey: boolean }) {
  const [isOpen, setIsOpen] = useState(hasOpenaiApiKey || draft.openaiBaseUrl !== "" || draft.allowedModels !== "");
  return (
    <details open={isOpen} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Upstream and models</summary>
      <TextField
        label="OpenAI API key of its own"
        type="password"
        autoComplete="new-password"
        value={draft.openaiApiKey}
        disabled={draft.removesOpenaiApiKey}
        placeholder={hasOpenaiApiKey ? "Stored. Type to replace it" : "The proxy's own"}
        hint="Stored encrypted, never shown again."
        fault={action.faultOf("openaiApiKey")}
        onChange={(event) => change({ openaiApiKey: event.target.value })}
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
        value={draft.openaiBaseUrl}
        placeholder="The proxy's own"
        hint="Anything that speaks OpenAI's API, for example https://api.openai.com/v1."
        fault={action.faultOf("openaiBaseUrl")}
        onChange={(event) => change({ openaiBaseUrl: event.target.value })}
      />
      <TextArea
        label="Allowed models"
        code
        rows={3}
        value={draft.allowedModels}
        placeholder="All models"
        hint="One a line. Empty: all."
        fault={action.faultOf("allowedModels")}
        onChange={(event) => change({ allowedModels: event.target.value })}
      />
    </details>
  );
}

/** How far the model may go with the key's tools. */
function ToolLoopFields({ draft, change, action }: FormPart) {
  return (
    <details open={!draft.toolMemory || draft.toolMaxRounds !== ""}>
      <summary>Rounds and memory</summary>
      <TextField
        label="Rounds of tool calls in one turn"
        type="number"
        min={1}
        max={100}
        value={draft.toolMaxRounds}
        placeholder="The proxy's limit"
        hint="After these the model answers with what it has."
        fault={action.faultOf("toolMaxRounds")}
        onChange={(event) => change({ toolMaxRounds: event.target.value })}
      />
      <Toggle
        label="The model remembers tool results in later turns"
        checked={draft.toolMemory}
        onChange={(event) => change({ toolMemory: event.target.checked })}
      />
    </details>
  );
}

/** Creates a key, or changes one. `save` is given the fields that were touched. */
export function KeyDialog(props: { apiKey: ApiKey | null; save: (fields: KeyFields) => Promise<void>; onClose: () => void }) {
  const { apiKey, save, onClose } = props;
  const [before] = useState(() => draftOf(apiKey));
  const [draft, setDraft] = useState(before);
  const action = useAction();
  const change = (changes: Partial<KeyDraft>) => setDraft((current) => ({ ...current, ...changes }));
  const beside = action.faultBeside(SHOWN_FIELDS);
  return (
    <Dialog title={apiKey === null ? "New API key" : `Edit ${apiKey.name}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.run(() => save(changedFields(before, draft)));
        }}
      >
        <TextField
          label="Name"
          required
          autoFocus
          maxLength={200}
          value={draft.name}
          hint="Who uses it, and for what."
          fault={action.faultOf("name")}
          onChange={(event) => change({ name: event.target.value })}
        />
        <TextField
          label="Expires"
          type="datetime-local"
          value={draft.expiresAt}
          hint="Empty: never. In your time zone."
          fault={action.faultOf("expiresAt")}
          onChange={(event) => change({ expiresAt: event.target.value })}
        />
        <ToolChooser toolIds={draft.toolIds} onChange={(toolIds) => change({ toolIds })} />
        <ToolLoopFields draft={draft} change={change} action={action} />
        <UpstreamFields draft={draft} change={change} action={action} hasOpenaiApiKey={apiKey?.hasOpenaiApiKey ?? false} />
        {beside !== null && <Notice tone="bad">{beside}</Notice>}
        <footer className="actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={action.isRunning}>
            {apiKey === null ? "Create key" : "Save"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
