import { useState } from "react";
import type { ApiKey, CreatedKey } from "../api-shapes.ts";
import { actions } from "../http.ts";
import { Dialog } from "../parts/dialog.tsx";
import { SelectField } from "../parts/field.tsx";
import { Notice } from "../parts/notice.tsx";
import { useAction } from "../use-action.ts";
import { useRefresh } from "../use-resource.ts";

const OVERLAPS = [
  { seconds: 0, label: "Not at all: it stops at once" },
  { seconds: 3600, label: "1 hour" },
  { seconds: 86_400, label: "1 day" },
  { seconds: 604_800, label: "7 days" },
  { seconds: 2_592_000, label: "30 days" },
];

/** Replaces a key by a new one, while the old one goes on for a time. */
export function RotateDialog(props: {
  apiKey: ApiKey;
  onRotated: (created: CreatedKey) => void;
  onClose: () => void;
}) {
  const { apiKey, onRotated, onClose } = props;
  const [overlap, setOverlap] = useState("86400");
  const action = useAction();
  const refresh = useRefresh();
  const rotate = async () => {
    const created = await actions.rotateKey(apiKey.id, Number(overlap));
    await refresh();
    onRotated(created);
  };
  return (
    <Dialog title={`Rotate ${apiKey.name}?`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.run(rotate);
        }}
      >
        <p>A new key takes its place, with the same tools, limits and record.</p>
        <SelectField label="The old key goes on working for" value={overlap} onChange={setOverlap}>
          {OVERLAPS.map(({ seconds, label }) => (
            <option key={seconds} value={seconds}>
              {label}
            </option>
          ))}
        </SelectField>
        {action.error !== null && <Notice tone="bad">{action.error.message}</Notice>}
        <footer className="actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="primary" disabled={action.isRunning}>
            Rotate key
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
