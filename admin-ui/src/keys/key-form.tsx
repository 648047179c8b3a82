import { useState, type ReactNode } from "react";
import type { ApiKey } from "../api-shapes.ts";
import type { KeyFields } from "../http.ts";
import { Notice } from "../parts/notice.tsx";
import { useAction } from "../use-action.ts";
import { changedFields, draftOf, type KeyDraft } from "./key-draft.ts";
import {
  LimitFields,
  MemoryFields,
  NameFields,
  SHOWN_FIELDS,
  UpstreamFields,
} from "./key-fields.tsx";
import { ToolChooser } from "./tool-chooser.tsx";

interface KeyFormProps {
  /** Null: a new key. */
  apiKey: ApiKey | null;
  /** Is given the fields that were touched. */
  save: (fields: KeyFields) => Promise<void>;
  onCancel: () => void;
}

function Buttons({
  isNew,
  isRunning,
  onCancel,
}: {
  isNew: boolean;
  isRunning: boolean;
  onCancel: () => void;
}): ReactNode {
  return (
    <footer className="actions">
      <button type="button" onClick={onCancel}>
        Cancel
      </button>
      <button type="submit" className="primary" disabled={isRunning}>
        {isRunning ? "Saving…" : isNew ? "Create key" : "Save"}
      </button>
    </footer>
  );
}

/** Creates a key, or changes one. The tools of a key that is there have a view of their own. */
export function KeyForm({ apiKey, save, onCancel }: KeyFormProps) {
  const [before] = useState(() => draftOf(apiKey));
  const [draft, setDraft] = useState(before);
  const action = useAction();
  const change = (changes: Partial<KeyDraft>) =>
    setDraft((current) => ({ ...current, ...changes }));
  const beside = action.faultBeside(SHOWN_FIELDS);
  const part = { draft, change, action };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        action.run(() => save(changedFields(before, draft)));
      }}
    >
      <NameFields {...part} />
      {apiKey === null && (
        <ToolChooser toolIds={draft.toolIds} onToggle={(toolIds) => change({ toolIds })} />
      )}
      <LimitFields {...part} />
      <MemoryFields {...part} />
      <UpstreamFields {...part} hasOpenaiApiKey={apiKey?.hasOpenaiApiKey ?? false} />
      {beside !== null && <Notice tone="bad">{beside}</Notice>}
      <Buttons isNew={apiKey === null} isRunning={action.isRunning} onCancel={onCancel} />
    </form>
  );
}
