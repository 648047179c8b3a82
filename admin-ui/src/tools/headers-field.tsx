import { KeyRound, Plus, X } from "lucide-react";
import { Fragment, useRef } from "react";
import { Segments } from "../parts/segments.tsx";
import { newRow, type HeaderRow, type StoredHeaders } from "./headers-draft.ts";

interface RowProps {
  row: HeaderRow;
  number: number;
  isAtFault: boolean;
  onChange: (row: HeaderRow) => void;
  onRemove: () => void;
}

function Row({ row, number, isAtFault, onChange, onRemove }: RowProps) {
  const { name, value, isBearer } = row;
  return (
    <div className="header-row" role="group" aria-label={`Header ${number}`}>
      {isBearer ? (
        <code className="header-name">Authorization: Bearer</code>
      ) : (
        <input
          className="code"
          aria-label={`Name of header ${number}`}
          placeholder="X-Api-Key"
          autoComplete="off"
          spellCheck={false}
          maxLength={200}
          autoFocus={name === "" && value === ""}
          aria-invalid={isAtFault}
          value={name}
          onChange={(event) => onChange({ ...row, name: event.target.value })}
        />
      )}
      <input
        className="code"
        type="password"
        aria-label={isBearer ? "Bearer token" : `Value of header ${number}`}
        placeholder={isBearer ? "Token" : "Value"}
        autoComplete="new-password"
        maxLength={10_000}
        autoFocus={isBearer && value === ""}
        value={value}
        onChange={(event) => onChange({ ...row, value: event.target.value })}
      />
      <button
        type="button"
        className="icon-button"
        aria-label={isBearer ? "Remove the bearer token" : `Remove header ${number}`}
        onClick={onRemove}
      >
        <X aria-hidden="true" />
      </button>
    </div>
  );
}

/** Names and values of headers, with a shortcut for the one that most servers want. */
export function HeaderRows(props: {
  rows: HeaderRow[];
  onChange: (rows: HeaderRow[]) => void;
  fault: string | null;
  hint: string;
}) {
  const { rows, onChange, fault, hint } = props;
  const add = useRef<HTMLButtonElement>(null);
  const remove = (index: number) => {
    onChange(rows.toSpliced(index, 1));
    // What had the focus is gone.
    add.current?.focus();
  };
  return (
    <>
      {rows.map((row, index) => (
        <Row
          key={row.id}
          row={row}
          number={index + 1}
          isAtFault={fault !== null}
          onChange={(next) => onChange(rows.with(index, next))}
          onRemove={() => remove(index)}
        />
      ))}
      <div className="actions">
        {!rows.some(({ isBearer }) => isBearer) && (
          <button type="button" onClick={() => onChange([...rows, newRow(rows, true)])}>
            <KeyRound aria-hidden="true" />
            Bearer token
          </button>
        )}
        <button type="button" ref={add} onClick={() => onChange([...rows, newRow(rows, false)])}>
          <Plus aria-hidden="true" />
          Header
        </button>
      </div>
      <p className="fault" role="alert">
        {fault}
      </p>
      <p className="hint">{hint}</p>
    </>
  );
}

const CHOICES = [
  { value: "keep", label: "Keep" },
  { value: "replace", label: "Replace" },
  { value: "remove", label: "Remove" },
] as const;

interface HeadersProps {
  rows: HeaderRow[];
  stored: StoredHeaders;
  /** Names of the headers that are stored; null where they cannot be decrypted. */
  storedNames: string[] | null;
  /** Where the stored ones would go to a server that they were not made for. */
  isElsewhere: boolean;
  fault: string | null;
  change: (changes: { headers?: HeaderRow[]; storedHeaders?: StoredHeaders }) => void;
}

const WHAT_HAPPENS: Record<StoredHeaders, string> = {
  keep: "They are sent with every request to the server, and never shown.",
  replace: "What you enter takes the place of all of them.",
  remove: "They are deleted when you save.",
};

/**
 * The credentials of a server at a URL: what is stored is kept, replaced or removed, never shown.
 */
export function HeadersField({
  rows,
  stored,
  storedNames,
  isElsewhere,
  fault,
  change,
}: HeadersProps) {
  const hasStored = storedNames === null || storedNames.length > 0;
  return (
    <fieldset className="field headers">
      <legend>Headers</legend>
      {hasStored && (
        <>
          <p className="stored-headers">
            {storedNames === null ? (
              "Headers are stored that cannot be decrypted any more."
            ) : (
              <>
                Stored:
                {storedNames.map((name) => (
                  <Fragment key={name}>
                    {" "}
                    <code className="chip">{name}</code>
                  </Fragment>
                ))}
              </>
            )}
          </p>
          <Segments
            label="What becomes of the stored headers"
            choices={CHOICES}
            value={stored}
            onChange={(storedHeaders) => change({ storedHeaders })}
          />
          <p className="hint">{WHAT_HAPPENS[stored]}</p>
          {isElsewhere && stored === "keep" && (
            <p className="fault" role="alert">
              They were stored for another server: the next call sends them to the new address.
            </p>
          )}
        </>
      )}
      {(!hasStored || stored === "replace") && (
        <HeaderRows
          rows={rows}
          onChange={(headers) => change({ headers })}
          fault={fault}
          hint="Sent with every request to the server. Stored encrypted, never shown again."
        />
      )}
    </fieldset>
  );
}
