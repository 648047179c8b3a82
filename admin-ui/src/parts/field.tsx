import {
  useEffect,
  useId,
  useRef,
  type InputHTMLAttributes,
  type ReactNode,
  type TextareaHTMLAttributes,
} from "react";

/** What connects a control with its label, its hint and its fault. */
interface ControlProps {
  id: string;
  "aria-describedby": string;
  "aria-invalid": boolean;
}

interface FieldProps {
  label: string;
  hint?: ReactNode;
  /** What is wrong with the value, or null. */
  fault?: string | null;
}

/** A labelled control. A fault is shown at the field and takes the focus there. */
function Field({
  label,
  hint,
  fault = null,
  children,
}: FieldProps & { children: (control: ControlProps) => ReactNode }) {
  const id = useId();
  const field = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (fault !== null) field.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [fault]);
  return (
    <div className="field" ref={field}>
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        "aria-describedby": `${id}-hint ${id}-fault`,
        "aria-invalid": fault !== null,
      })}
      <p className="fault" id={`${id}-fault`} role="alert">
        {fault}
      </p>
      <p className="hint" id={`${id}-hint`}>
        {hint}
      </p>
    </div>
  );
}

/** A line of text. */
export function TextField({
  label,
  hint,
  fault,
  ...input
}: FieldProps & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <Field label={label} hint={hint} fault={fault ?? null}>
      {(control) => (
        <input type="text" autoComplete="off" spellCheck={false} {...input} {...control} />
      )}
    </Field>
  );
}

/** Many lines; `code` in a monospaced font that does not wrap. */
export function TextArea({
  label,
  hint,
  fault,
  code = false,
  ...input
}: FieldProps & { code?: boolean } & TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return (
    <Field label={label} hint={hint} fault={fault ?? null}>
      {(control) => (
        <textarea
          {...input}
          {...control}
          {...(code
            ? { className: "code", spellCheck: false, wrap: "off", autoCapitalize: "off" }
            : {})}
        />
      )}
    </Field>
  );
}

/** One of many, from a list that opens. */
export function SelectField(
  props: FieldProps & { value: string; onChange: (value: string) => void; children: ReactNode },
) {
  const { label, hint, fault, value, onChange, children } = props;
  return (
    <Field label={label} hint={hint} fault={fault ?? null}>
      {(control) => (
        <select {...control} value={value} onChange={(event) => onChange(event.target.value)}>
          {children}
        </select>
      )}
    </Field>
  );
}

interface Choice<Value extends string> {
  value: Value;
  label: string;
}

/** One of a few. */
export function Choices<Value extends string>(props: {
  label: string;
  choices: readonly Choice<Value>[];
  value: Value;
  onChange: (value: Value) => void;
  hint?: string;
}) {
  const name = useId();
  return (
    <fieldset
      className="choices"
      {...(props.hint === undefined ? {} : { "aria-describedby": `${name}-hint` })}
    >
      <legend>{props.label}</legend>
      <div>
        {props.choices.map(({ value, label }) => (
          <label key={value}>
            <input
              type="radio"
              name={name}
              value={value}
              checked={value === props.value}
              onChange={() => props.onChange(value)}
            />
            {label}
          </label>
        ))}
      </div>
      {props.hint !== undefined && (
        <p className="hint" id={`${name}-hint`}>
          {props.hint}
        </p>
      )}
    </fieldset>
  );
}

/** On or off. */
export function Toggle({
  label,
  ...input
}: { label: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className="toggle">
      <input type="checkbox" {...input} />
      <span>{label}</span>
    </label>
  );
}
