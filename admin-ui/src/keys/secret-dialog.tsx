import { SquareTerminal } from "lucide-react";
import { useState } from "react";
import type { CreatedKey } from "../api-shapes.ts";
import { formatMoment } from "../format.ts";
import { CopyBlock } from "../parts/copy.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { Notice } from "../parts/notice.tsx";
import { Segments } from "../parts/segments.tsx";
import { handKey } from "../playground/handed-key.ts";
import { navigate } from "../router.tsx";
import { LANGUAGES, type Language } from "./snippets.ts";

const CHOICES = (Object.keys(LANGUAGES) as Language[]).map((value) => ({ value, label: LANGUAGES[value].label }));
const USUAL_MODEL = "gpt-4.1-mini";

/** Shows a new key, once, with code that uses it. */
export function SecretDialog({ created, onClose }: { created: CreatedKey; onClose: () => void }) {
  const [language, setLanguage] = useState<Language>("curl");
  const use = { origin: location.origin, key: created.key, model: created.allowedModels?.[0] ?? USUAL_MODEL };
  const play = () => {
    handKey(created.key);
    navigate("/playground");
  };
  return (
    <Dialog title={`The key “${created.name}”`} onClose={onClose} kind="wide" mustAnswer>
      <Notice tone="warn">Copy it now: it is shown this once, and cannot be found out later.</Notice>
      <CopyBlock label="API key" text={created.key} isSecret />
      {typeof created.previousExpiresAt === "string" && (
        <p className="hint">The key that it replaces is accepted until {formatMoment(created.previousExpiresAt)}.</p>
      )}
      <Segments label="Use it with" choices={CHOICES} value={language} onChange={setLanguage} />
      <CopyBlock label={`${LANGUAGES[language].label} code`} text={LANGUAGES[language].snippet(use)} />
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
