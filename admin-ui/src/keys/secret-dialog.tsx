import { SquareTerminal } from "lucide-react";
import type { CreatedKey } from "../api-shapes.ts";
import { formatMoment } from "../format.ts";
import { CopyBlock } from "../parts/copy.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Notice } from "../parts/notice.tsx";
import { handKey } from "../playground/handed-key.ts";
import { navigate } from "../router.tsx";
import { Connect, useOf } from "./connect.tsx";

/** Shows a new key, once, with code that uses it. */
export function SecretDialog({ created, onClose }: { created: CreatedKey; onClose: () => void }) {
  const play = () => {
    handKey(created.key);
    navigate("/playground");
  };
  return (
    <Dialog title={`The key “${created.name}”`} onClose={onClose} kind="wide" mustAnswer>
      <Notice tone="warn">
        Copy it now: it is shown this once, and cannot be found out later.
      </Notice>
      <CopyBlock label="API key" text={created.key} isSecret />
      {typeof created.previousExpiresAt === "string" && (
        <p className="hint">
          The key that it replaces is accepted until {formatMoment(created.previousExpiresAt)}.
        </p>
      )}
      <Connect use={useOf(created.key, created.allowedModels)} />
      <footer className="actions">
        <button type="button" onClick={play}>
          <SquareTerminal aria-hidden="true" />
          Try it in the playground
        </button>
        <button type="button" className="primary" onClick={onClose}>
          I have copied it
        </button>
      </footer>
    </Dialog>
  );
}
