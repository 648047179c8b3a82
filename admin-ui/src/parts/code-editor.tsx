import { lazy, Suspense, useEffect, useId, useRef, type ReactNode } from "react";

/** What an editor is given. */
export interface EditorProps {
  label: string;
  language: "javascript" | "json";
  value: string;
  onChange: (value: string) => void;
  /** Names that `args.` is completed by. */
  names?: readonly string[];
}

const CodeMirror = lazy(async () => ({ default: (await import("./code-mirror.tsx")).CodeMirror }));

/**
 * A labelled editor for code, with what is wrong with it. Until it is loaded, a plain field is in
 * its place.
 */
export function CodeEditor({
  hint,
  fault = null,
  ...editor
}: EditorProps & { hint?: ReactNode; fault?: string | null }) {
  const { label, value, onChange } = editor;
  const id = useId();
  const field = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (fault !== null) field.current?.scrollIntoView({ block: "nearest" });
  }, [fault]);
  return (
    <div className="field" ref={field}>
      <span className="label" id={id}>
        {label}
      </span>
      <div
        className={fault === null ? "code-frame" : "code-frame at-fault"}
        role="group"
        aria-labelledby={id}
      >
        <Suspense
          fallback={
            <textarea
              className="code"
              rows={8}
              aria-label={label}
              value={value}
              onChange={(event) => onChange(event.target.value)}
            />
          }
        >
          <CodeMirror {...editor} />
        </Suspense>
      </div>
      <p className="fault" role="alert">
        {fault}
      </p>
      <p className="hint">{hint}</p>
    </div>
  );
}
